import Glibc
import JSON
import System

/// Reads one volume's copy of a ledger from its first record on, as somebody who does not
/// trust it: whatever is not as pacsfs writes it, is a fault.
///
/// ```swift
/// var inspection = try volume.ledger(of: site)
/// while let record = try inspection.next() { … }
/// if let fault = inspection.fault { … }
/// ```
///
/// What was appended since is read after ``lookAgain()``.
///
/// An unfinished end is told from damage by its form. A crash while a batch was written leaves
/// the beginning of the batch, or, where blocks reached the disk out of order, zeros in place
/// of whole blocks (512 bytes, or more) up to a block's end. Everything else is a fault.
public struct LedgerInspection: ~Copyable {
    /// After the last record that is good.
    public private(set) var position = LedgerPosition.start
    /// The line of the last record in its segment, from 1.
    public private(set) var line = 0
    /// The first thing that is wrong; `nil` when nothing is. Nothing is read after it.
    public private(set) var fault: LedgerFault?
    /// What a crash may have left at the end, or what is just being written.
    public private(set) var tornTail: TornTail?
    /// The sizes of the segments, as far as they have been read.
    public private(set) var sizes: [Int64] = []
    /// Names in the folder that are no segments.
    public private(set) var strayNames: [String] = []

    private let folder: Directory
    private var lines: LineReader?
    /// The last segment, when the folder was last listed.
    private var last = 0

    static let block: Int64 = 512

    init(_ folder: consuming Directory) throws(StorageError) { self.folder = folder }

    /// Where a segment is.
    public func path(_ segment: Int) -> String { folder.path(of: LedgerFolder.name(segment)) }

    /// The next record; `nil` at the end, and when there is a fault.
    ///
    /// - Throws: `io` when a segment cannot be read.
    public mutating func next() throws(StorageError) -> LedgerRecord? {
        guard fault == nil else { return nil }
        if lines == nil {
            try list()
            tornTail = nil
            guard try open(position.segment, at: position.offset) else { return nil }
        }
        while true {
            if let next = try lines?.next() {
                return try record(of: next)
            }
            lines = nil
            sizes[position.segment - 1] = position.offset
            guard position.segment < last else { return nil }
            guard position.offset > 0 else {
                return wrong("the segment is empty, and more follow")
            }
            position.segment += 1
            position.offset = 0
            line = 0
            guard try open(position.segment, at: 0) else { return nil }
        }
    }

    /// Looks again where the ledger ends, at the next record: it may have grown.
    public mutating func lookAgain() { lines = nil }

    private mutating func list() throws(StorageError) {
        var segments: [Int] = []
        strayNames = []
        for name in try folder.entries() {
            guard name.hasSuffix(".jsonl"), let segment = Int(name.dropLast(6)), segment > 0,
                name == LedgerFolder.name(segment), try folder.facts(name)?.isRegular ?? true
            else {
                strayNames.append(name)
                continue
            }
            segments.append(segment)
        }
        strayNames.sort()
        last = segments.max() ?? 0
    }

    /// False when the segment is not there; that is the end, or a fault.
    private mutating func open(_ segment: Int, at offset: Int64) throws(StorageError) -> Bool {
        if segment > last {
            if segment > 1 || position.number > 0 { _ = wrong("the segment is gone") }
            return false
        }
        while sizes.count < segment { sizes.append(0) }
        let file: Descriptor
        do throws(StorageError) {
            file = try folder.openFile(LedgerFolder.name(segment))
        } catch  where error.isMissing {
            _ = wrong("the segment is missing, and later ones are there")
            return false
        }
        guard try file.facts(path: path(segment)).bytes >= offset else {
            _ = wrong("the segment has become shorter")
            return false
        }
        lines = try LineReader(file, from: offset, path: path(segment))
        return true
    }

    private mutating func wrong(_ reason: String) -> LedgerRecord? {
        fault = LedgerFault(
            segment: position.segment, line: line + 1, offset: position.offset,
            expectedNumber: position.number + 1, reason: reason)
        lines = nil
        return nil
    }

    private mutating func record(of next: LineReader.Line) throws(StorageError) -> LedgerRecord? {
        if !next.isTerminated || next.content.contains(0) {
            return try unfinished(next)
        }
        let record: LedgerLine
        do throws(JSONError) {
            record = try LedgerLine(next.content)
        } catch {
            return wrong("no record: \(error.reason) at byte \(error.offset) of the line")
        }
        guard record.number == position.number + 1 else {
            return wrong("its number is \(record.number)")
        }
        guard record.previous == position.head else {
            return wrong(
                position.number == 0
                    ? "it says that records came before it"
                    : "it does not follow record \(position.number): that was changed, or this was")
        }
        line += 1
        position.offset += Int64(next.content.count) + 1
        position.number = record.number
        position.head = Digest.of(next.content)
        sizes[position.segment - 1] = position.offset
        return LedgerRecord(
            number: record.number, previous: record.previous, entry: record.entry, end: position)
    }

    /// A line without its newline, or with zeros in it.
    private mutating func unfinished(
        _ next: LineReader.Line
    ) throws(StorageError) -> LedgerRecord? {
        let isEnd = position.segment == last && next.bytesLeft <= Int64(Ledger.batchLimit)
        guard isEnd, hasFormOfCrash(next) else {
            return wrong(
                next.isTerminated ? "no record: there are zeros in it" : "its end is missing")
        }
        tornTail = TornTail(
            segment: position.segment, offset: position.offset, bytes: next.bytesLeft)
        lines = nil
        return nil
    }

    /// Whether the zeros in a line, if there are any, may be blocks that never reached the disk.
    private func hasFormOfCrash(_ next: LineReader.Line) -> Bool {
        let end = position.offset + next.bytesLeft
        var index = 0
        while let zero = next.content[index...].firstIndex(of: 0) {
            let after = next.content[zero...].firstIndex { $0 != 0 } ?? next.content.count
            let (start, stop) = (position.offset + Int64(zero), position.offset + Int64(after))
            guard zero == 0 || start % Self.block == 0, stop % Self.block == 0 || stop == end else {
                return false
            }
            index = after
        }
        return true
    }

    /// Bytes of a segment, as many as there are.
    public func bytes(
        of segment: Int, at offset: Int64, count: Int
    ) throws(StorageError) -> [UInt8] {
        let file = try folder.openFile(LedgerFolder.name(segment))
        return try file.bytes(at: offset, count: count, path: path(segment))
    }
}
