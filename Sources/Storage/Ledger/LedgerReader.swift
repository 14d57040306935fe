import Glibc
import JSON

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
    /// What is wrong.
    public var reason: String

    public var description: String {
        let place = line.map { "line \($0)" } ?? "byte \(offset)"
        return "segment \(segment), \(place), record \(expectedNumber): \(reason)"
    }
}

/// The end of a ledger that a crash left unfinished: bytes that are no whole record.
public struct TornTail: Hashable, Sendable {
    /// The segment, from 1.
    public var segment: Int
    /// Where the unfinished line begins, in bytes.
    public var offset: Int64
    /// How many bytes there are.
    public var bytes: Int64
}

/// Reads a ledger record by record, in bounded memory, and checks the chain on the way.
///
/// ```swift
/// var reader = try LedgerReader(volume: volume, site: site, from: index.position)
/// while let record = try reader.next() { index.add(record) }
/// index.position = reader.position
/// ```
public struct LedgerReader: ~Copyable {
    private enum Step {
        case record(LedgerRecord)
        case end
        case fault(LedgerFault)
    }

    private let folder: LedgerFolder
    private let last: Int
    private var lines: LineReader?
    private var line: Int?

    /// Where the next record begins.
    public private(set) var position: LedgerPosition
    /// An unfinished last line, known when the end was reached.
    public private(set) var tornTail: TornTail?

    /// Begins to read.
    ///
    /// - Parameters:
    ///   - volume: The volume whose copy of the ledger is read.
    ///   - site: The ledger; see ``Ledger/site(archive:)``.
    ///   - position: Where to begin; what is there must follow its `number` and `head`.
    /// - Throws: `notFound` when the volume has no such ledger, `corrupt` when a segment is
    ///   missing.
    public init(
        volume: Volume, site: String, from position: LedgerPosition = .start
    ) throws(StorageError) {
        try self.init(
            folder: LedgerFolder(volume: volume, site: site, making: false), from: position)
    }

    init(folder: LedgerFolder, from position: LedgerPosition) throws(StorageError) {
        let last = try Self.lastSegment(of: folder, from: position)
        self.folder = folder
        self.position = position
        self.last = last
        lines = nil
        line = position.offset == 0 ? 0 : nil
    }

    /// The last segment there is, when all from `position` on are there.
    private static func lastSegment(
        of folder: LedgerFolder, from position: LedgerPosition
    ) throws(StorageError) -> Int {
        let sizes = try folder.sizes()
        let last = sizes.keys.max() ?? 0
        var segment = position.segment
        while segment < last {
            guard sizes[segment] != nil else {
                throw StorageError(
                    .corrupt, "a segment of the ledger is missing", path: folder.path(segment),
                    remedy: "Copy it from another volume")
            }
            segment += 1
        }
        if position.offset > sizes[position.segment] ?? 0 {
            throw StorageError(
                .corrupt, "the ledger ends before byte \(position.offset)",
                path: folder.path(position.segment),
                remedy: "Records are lost here; take the ledger of another volume")
        }
        return last
    }

    /// The next record; `nil` at the end.
    ///
    /// - Throws: `corrupt` for a record that does not fit, with segment and line; `io`.
    public mutating func next() throws(StorageError) -> LedgerRecord? {
        switch try step() {
        case .record(let record): return record
        case .end: return nil
        case .fault(let fault):
            throw StorageError(
                .corrupt, "the ledger is damaged or was changed: \(fault)",
                path: folder.path(fault.segment),
                remedy: "Compare it with another volume's: pacsfs verify")
        }
    }

    /// Reads all that is left and returns the first thing that is wrong.
    mutating func firstFault() throws(StorageError) -> LedgerFault? {
        while true {
            switch try step() {
            case .record: continue
            case .end: return nil
            case .fault(let fault): return fault
            }
        }
    }

    private mutating func step() throws(StorageError) -> Step {
        while true {
            if lines == nil {
                guard position.segment <= last else { return .end }
                let file = try folder.open(position.segment)
                lines = try LineReader(
                    file, from: position.offset, path: folder.path(position.segment))
            }
            guard let next = try lines?.next() else {
                if position.segment >= last { return .end }
                lines = nil
                line = 0
                position.segment += 1
                position.offset = 0
                continue
            }
            return read(next)
        }
    }

    /// Whether blocks are missing in a line. Those of a batch may reach the disk out of order:
    /// what is not there yet reads as zeros, from where the batch began or a block does, to where
    /// a block ends. Zeros elsewhere are damage.
    ///
    /// - Parameter offset: Where the line begins in its file.
    private static func hasHole(_ line: UnsafeRawBufferPointer, at offset: Int64) -> Bool {
        // No file system writes less at once.
        let block: Int64 = 512
        var index = 0
        while let start = line[index...].firstIndex(of: 0) {
            let end = line[start...].firstIndex { $0 != 0 } ?? line.endIndex
            if start == 0 || (offset + Int64(start)) % block == 0,
                (offset + Int64(end)) % block == 0
            {
                return true
            }
            index = end
        }
        return false
    }

    private mutating func read(_ next: LineReader.Line) -> Step {
        line = line.map { $0 + 1 }
        func fault(_ reason: String) -> Step {
            .fault(
                LedgerFault(
                    segment: position.segment, line: line, offset: position.offset,
                    expectedNumber: position.number + 1, reason: reason))
        }
        func torn() -> Step {
            tornTail = TornTail(
                segment: position.segment, offset: position.offset, bytes: next.bytesLeft)
            return .end
        }
        let isLast = position.segment == last
        guard next.isTerminated else {
            return isLast ? torn() : fault("the segment ends within a line")
        }
        let record: LedgerLine
        do throws(JSONError) {
            record = try LedgerLine(next.content)
        } catch {
            if isLast, Self.hasHole(next.content, at: position.offset) { return torn() }
            return fault("no record: \(error.reason) at byte \(error.offset) of the line")
        }
        guard record.number == position.number + 1 else {
            return fault("its number is \(record.number)")
        }
        guard record.previous == position.head else {
            return fault("it does not follow the record before: that was changed, or this was")
        }
        position.offset += Int64(next.content.count) + 1
        position.number = record.number
        position.head = Digest.of(next.content)
        return .record(
            LedgerRecord(
                number: record.number, previous: record.previous, entry: record.entry,
                end: position))
    }
}

/// What a check of a whole ledger found.
public struct LedgerVerification: Hashable, Sendable {
    /// After the last record that is good.
    public var end: LedgerPosition
    /// The first thing that is wrong; `nil` when nothing is.
    public var fault: LedgerFault?
    /// An unfinished last line, which is no fault after a crash; recovery cuts it off.
    public var tornTail: TornTail?

    /// Reads a volume's copy of a ledger from its first record to its last.
    ///
    /// - Parameter expected: Where it must end, from the index or another volume. Without it a
    ///   change of the very last record cannot be seen, because nothing follows it.
    /// - Throws: What a system call says; `corrupt` when a segment is missing.
    public static func of(
        volume: Volume, site: String, expected: LedgerPosition? = nil
    ) throws(StorageError) -> LedgerVerification {
        var reader = try LedgerReader(volume: volume, site: site)
        var fault = try reader.firstFault()
        let end = reader.position
        if fault == nil, let expected, end.number != expected.number || end.head != expected.head {
            fault = LedgerFault(
                segment: end.segment, line: nil, offset: end.offset,
                expectedNumber: expected.number,
                reason: end.number == expected.number
                    ? "the last record is not the one that was written"
                    : "the ledger ends with record \(end.number)")
        }
        return LedgerVerification(end: end, fault: fault, tornTail: reader.tornTail)
    }
}
