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

    /// Looks at what follows a position: a line that has no newline, or zeros in it.
    ///
    /// - Parameters:
    ///   - position: After the last whole record.
    ///   - bytes: How many there are up to the end of the segment.
    ///   - last: The last segment of the ledger.
    /// - Returns: `nil` when no crash can have left it.
    /// - Throws: `io` when the segment cannot be read.
    static func after(
        _ position: LedgerPosition, bytes: Int64, last: Int, in folder: LedgerFolder
    ) throws(StorageError) -> TornTail? {
        guard position.segment == last, bytes <= Int64(Ledger.batchLimit) else { return nil }
        let content = try folder.bytes(
            position.segment, before: position.offset + bytes, count: bytes)
        guard canBe(content, at: position.offset) else { return nil }
        return TornTail(segment: position.segment, offset: position.offset, bytes: bytes)
    }

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
