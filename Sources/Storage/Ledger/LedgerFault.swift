/// Where and why a ledger is not what it should be.
public struct LedgerFault: Hashable, Sendable, CustomStringConvertible {
    /// The segment, from 1.
    public var segment: Int
    /// The line in the segment, from 1; `nil` when reading began in the middle of it.
    public var line: Int?
    /// Where the line begins in the segment, in bytes.
    public var offset: Int64
    /// The number the record should have.
    public var expectedNumber: Int64
    /// The fault, without a full stop.
    public var reason: String

    public var description: String {
        let place = line.map { "line \($0)" } ?? "byte \(offset)"
        return "segment \(segment), \(place), record \(expectedNumber): \(reason)"
    }
}

/// The end of a ledger that a crash left unfinished.
///
/// A batch is written after everything before it is durable, so that a crash can tear the last
/// batch only. A power cut leaves any beginning of that batch; where its blocks reached the disk
/// out of order, zeros stand in place of those that did not. Bytes at the end of a ledger are a
/// torn tail when all of this holds, and a ``LedgerFault`` otherwise:
///
/// - they follow the last whole record, and reach to the end of the last segment;
/// - their first line has no newline, or has zeros in it;
/// - they are at most one batch long (``Ledger/batchLimit``);
/// - each run of zeros in them begins where they begin, or at a multiple of 512 bytes in the file,
///   and ends at such a multiple, or where the file ends.
///
/// A torn tail may hold whole records after its first zeros. They were never acknowledged: the
/// append returns when the whole batch is durable.
public struct TornTail: Hashable, Sendable {
    /// The segment, from 1.
    public var segment: Int
    /// Where the unfinished line begins, in bytes.
    public var offset: Int64
    /// How many bytes there are.
    public var bytes: Int64

    /// No file system writes less at once, in bytes.
    private static let block: Int64 = 512

    /// Whether a crash can have left these bytes; their first line is known to be unfinished.
    ///
    /// - Parameter offset: Where they begin in their file.
    static func canBe(_ bytes: [UInt8], at offset: Int64) -> Bool {
        guard bytes.count <= Ledger.batchLimit else { return false }
        func isBlockEdge(_ index: Int) -> Bool { (offset + Int64(index)) % block == 0 }
        var index = 0
        while let start = bytes[index...].firstIndex(of: 0) {
            let end = bytes[start...].firstIndex { $0 != 0 } ?? bytes.count
            guard start == 0 || isBlockEdge(start), end == bytes.count || isBlockEdge(end) else {
                return false
            }
            index = end
        }
        return true
    }
}
