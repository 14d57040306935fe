import Glibc
import JSON
import System

/// Reads one volume's copy of a ledger, record by record in bounded memory, and follows the chain
/// of hashes.
///
/// ```swift
/// var chain = try LedgerChain(volume: volume, site: site, from: index.position)
/// while let record = try chain.next() { index.add(record) }
/// index.position = chain.position
/// ```
///
/// Everything that is not as pacsfs writes it is a ``LedgerFault``, but for a ``TornTail``. Both
/// policies know the same faults and the same torn tails, so that recovery never cuts off what a
/// verification calls a fault.
///
/// The chain ends with `nil`. Records appended since are read after ``lookAgain()``.
public struct LedgerChain: ~Copyable {
    /// What happens at a fault.
    public enum Policy: Sendable {
        /// The chain ends, and ``LedgerChain/fault`` says why: for a verification, which reports
        /// everything.
        case strict
        /// ``LedgerChain/next()`` throws: for readers that rely on the records.
        case recovering
    }

    /// Where the next record begins: after the last good one.
    public private(set) var position: LedgerPosition
    /// The line of the last record in its segment, from 1; `nil` when reading began in the middle
    /// of a segment.
    public private(set) var line: Int?
    /// The first fault; nothing is read after it.
    public private(set) var fault: LedgerFault?
    /// An unfinished end, known when the chain has ended. It may be a batch that is being written.
    public private(set) var tornTail: TornTail?
    /// How many bytes of each segment are good records, as far as the chain was read.
    public private(set) var goodBytes: [Int: Int64] = [:]
    /// The names in the folder that are not segments.
    public private(set) var strayNames: [String] = []

    private let folder: LedgerFolder
    private let policy: Policy
    private var lines: LineReader?
    /// The last segment, when the folder was last listed.
    private var last = 0

    /// Begins to read.
    ///
    /// - Parameters:
    ///   - volume: The volume whose copy of the ledger is read.
    ///   - site: The ledger; see ``Ledger/site(archive:)``.
    ///   - position: Where to begin; the record there must follow its `number` and `head`.
    /// - Throws: `notFound` when the volume has no such ledger.
    public init(
        volume: Volume, site: String, from position: LedgerPosition = .start,
        policy: Policy = .recovering
    ) throws(StorageError) {
        self.init(try LedgerFolder(site: site, on: volume), from: position, policy: policy)
    }

    init(_ folder: LedgerFolder, from position: LedgerPosition = .start, policy: Policy) {
        self.folder = folder
        self.position = position
        self.policy = policy
        line = position.offset == 0 ? 0 : nil
    }

    /// Where a segment is.
    public func path(_ segment: Int) -> String { folder.path(segment) }

    /// The next record; `nil` at the end.
    ///
    /// - Throws: `io` when a segment cannot be read; with ``Policy/recovering``, `corrupt` for a
    ///   fault.
    public mutating func next() throws(StorageError) -> LedgerRecord? {
        let record = fault == nil ? try read() : nil
        if let fault, policy == .recovering {
            throw StorageError(
                .corrupt, "the ledger is damaged or was changed: \(fault)",
                path: folder.path(fault.segment),
                remedy: "Compare it with another volume's: pacsfs verify")
        }
        return record
    }

    /// Looks for the end of the ledger anew at the next record: it may have grown.
    public mutating func lookAgain() { lines = nil }

    /// Bytes of a segment, as many as there are.
    ///
    /// - Throws: `io` when it cannot be read.
    public func bytes(
        of segment: Int, at offset: Int64, count: Int
    ) throws(StorageError) -> [UInt8] {
        try folder.bytes(segment, before: offset + Int64(count), count: Int64(count))
    }

    private mutating func read() throws(StorageError) -> LedgerRecord? {
        if lines == nil {
            let listing = try folder.list()
            strayNames = listing.strayNames
            last = listing.sizes.keys.max() ?? 0
            tornTail = nil
            guard try open(position.segment) else { return nil }
        }
        while true {
            if let next = try lines?.next() { return try record(of: next) }
            lines = nil
            guard position.segment < last else { return nil }
            position.segment += 1
            position.offset = 0
            line = 0
            guard try open(position.segment) else { return nil }
        }
    }

    /// - Returns: False at the end of the ledger and at a fault.
    private mutating func open(_ segment: Int) throws(StorageError) -> Bool {
        if segment > last {
            // A torn batch that was alone in a new segment may have been cut off meanwhile.
            let isEnd = position.offset == 0 && segment == last + 1
            if !isEnd { _ = stop("the segment is gone") }
            return false
        }
        let file: Descriptor
        do throws(StorageError) {
            file = try folder.open(segment)
        } catch  where error.code == .notFound {
            _ = stop("the segment is missing, and later ones are there")
            return false
        }
        let bytes = try file.facts(path: path(segment)).bytes
        guard bytes >= position.offset, bytes > 0 else {
            _ = stop(bytes == 0 ? "the segment is empty" : "the segment became shorter")
            return false
        }
        lines = try LineReader(
            file, from: position.offset, path: path(segment), on: folder.disk)
        return true
    }

    private mutating func record(of next: LineReader.Line) throws(StorageError) -> LedgerRecord? {
        guard next.isTerminated else { return try unfinished(next, "its end is missing") }
        let record: LedgerLine
        do throws(JSONError) {
            record = try LedgerLine(next.content)
        } catch {
            // JSON has no zeros, so that a line with zeros always ends here.
            if next.content.contains(0) {
                return try unfinished(next, "not a record: there are zeros in it")
            }
            return stop("not a record: \(error.reason) at byte \(error.offset) of the line")
        }
        guard record.number == position.number + 1 else {
            return stop("its number is \(record.number)")
        }
        guard record.previous == position.head else {
            return stop(
                position.number == 0
                    ? "it says that records came before it"
                    : "it does not follow record \(position.number): that was changed, or this was")
        }
        line = line.map { $0 + 1 }
        position.offset += Int64(next.content.count) + 1
        position.number = record.number
        position.head = Digest.of(next.content)
        goodBytes[position.segment] = position.offset
        return LedgerRecord(
            number: record.number, previous: record.previous, entry: record.entry, end: position)
    }

    /// Ends the chain at a line that has no newline, or zeros in it: with a torn tail, or a fault.
    private mutating func unfinished(
        _ next: LineReader.Line, _ reason: String
    ) throws(StorageError) -> LedgerRecord? {
        tornTail = try TornTail.after(
            position, bytes: next.bytesLeft, last: last, in: folder)
        if tornTail == nil { return stop(reason) }
        lines = nil
        return nil
    }

    private mutating func stop(_ reason: String) -> LedgerRecord? {
        fault = LedgerFault(
            segment: position.segment, line: line.map { $0 + 1 }, offset: position.offset,
            expectedNumber: position.number + 1, reason: reason)
        lines = nil
        return nil
    }
}
