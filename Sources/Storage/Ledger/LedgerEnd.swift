import Glibc
import JSON
import System

/// How the ledger on one volume ends.
struct LedgerEnd: Sendable {
    let folder: LedgerFolder
    /// The sizes of the segments in bytes, without the torn tail.
    private(set) var sizes: [Int: Int64]
    /// After the last whole record.
    private(set) var position: LedgerPosition
    /// The bytes after that.
    private(set) var tornTail: TornTail?

    /// How far back from its end a ledger is read, in bytes: a torn tail, a whole line before it
    /// from which the chain is followed, and a line that is cut off in front.
    private static let window = 3 * Int64(Ledger.batchLimit)

    /// Reads the end of a ledger.
    ///
    /// - Throws: `corrupt` when the end is damaged, and not just torn; `io`.
    init(of folder: LedgerFolder) throws(StorageError) {
        self.folder = folder
        sizes = try folder.list().sizes
        position = .start
        guard let last = sizes.keys.max(), let size = sizes[last] else { return }
        let start = try Self.start(in: folder, last, size: size, sizes)
        var chain = LedgerChain(folder, from: start, policy: .recovering)
        while try chain.next() != nil {}
        position = chain.position
        if let torn = chain.tornTail {
            tornTail = torn
            sizes[torn.segment] = torn.offset == 0 ? nil : torn.offset
        }
    }

    /// A place from which the last segment can be read.
    private static func start(
        in folder: LedgerFolder, _ last: Int, size: Int64, _ sizes: [Int: Int64]
    ) throws(StorageError) -> LedgerPosition {
        if size <= window {
            if last == 1 { return .start }
            if let before = sizes[last - 1] {
                var position = try folder.position(after: last - 1, before)
                position.segment = last
                position.offset = 0
                return position
            }
            // The segment before was lost; another volume may have it.
        }
        return try folder.position(afterFirstLineFrom: max(0, size - window), of: last)
    }
}

extension LedgerFolder {
    /// The last line before `end` of a segment, with its newline.
    ///
    /// - Throws: `corrupt` when no line ends there.
    func lastLine(_ segment: Int, before end: Int64) throws(StorageError) -> [UInt8] {
        var count: Int64 = 1 << 14
        while true {
            let bytes = try bytes(segment, before: end, count: count)
            guard bytes.last == UInt8(ascii: "\n") else {
                throw unreadable(segment, "no line ends at byte \(end)")
            }
            if let newline = bytes.dropLast().lastIndex(of: UInt8(ascii: "\n")) {
                return Array(bytes[(newline + 1)...])
            }
            if count >= end { return bytes }
            count *= 4
        }
    }

    /// The place after the record that ends at `end` of a segment.
    ///
    /// - Throws: `corrupt` when no record ends there.
    func position(after segment: Int, _ end: Int64) throws(StorageError) -> LedgerPosition {
        let line = try lastLine(segment, before: end)
        return try position(of: line.dropLast(), in: segment, end: end)
    }

    /// The place after the first whole line that begins at `offset` of a segment or later.
    ///
    /// - Throws: `corrupt` when there is none, or it is not a record.
    func position(
        afterFirstLineFrom offset: Int64, of segment: Int
    ) throws(StorageError) -> LedgerPosition {
        // From the byte before: when that is a newline, the line at `offset` is whole.
        var start = max(0, offset - 1)
        var lines = try LineReader(
            try open(segment), from: start, path: path(segment), on: disk)
        if offset > 0 {
            guard let rest = try lines.next() else {
                throw unreadable(segment, "it became shorter")
            }
            start += Int64(rest.content.count) + 1
        }
        guard let line = try lines.next(), line.isTerminated else {
            throw unreadable(segment, "no line ends after byte \(start)")
        }
        return try position(
            of: [UInt8](line.content)[...], in: segment,
            end: start + Int64(line.content.count) + 1)
    }

    /// The digest that the first record of a segment gives for the record before.
    ///
    /// - Throws: `corrupt` when the segment does not begin with a record.
    func firstPrevious(_ segment: Int) throws(StorageError) -> Digest {
        var lines = try LineReader(
            try open(segment), from: 0, path: path(segment), on: disk)
        guard let line = try lines.next() else { throw unreadable(segment, "it is empty") }
        do throws(JSONError) {
            return try LedgerLine(line.content).previous
        } catch {
            throw unreadable(segment, "its first line is not a record: \(error.reason)")
        }
    }

    private func position(
        of line: ArraySlice<UInt8>, in segment: Int, end: Int64
    ) throws(StorageError) -> LedgerPosition {
        let line = Array(line)
        do throws(JSONError) {
            let number = try line.span.bytes.withUnsafeBytes { (bytes) throws(JSONError) in
                try LedgerLine(bytes).number
            }
            return LedgerPosition(
                segment: segment, offset: end, number: number, head: Digest.of(line))
        } catch {
            throw unreadable(
                segment, "the line before byte \(end) is not a record: \(error.reason)")
        }
    }

    private func unreadable(_ segment: Int, _ why: String) -> StorageError {
        StorageError(
            .corrupt, "the ledger is damaged: \(why)", path: path(segment),
            remedy: "Compare it with another volume's: pacsfs verify")
    }
}
