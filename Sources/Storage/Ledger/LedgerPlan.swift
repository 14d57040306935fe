import Glibc
import System

/// Which copy of each segment is the longest, and which bytes the others lack.
struct LedgerPlan {
    private struct Longest {
        var folder: LedgerFolder
        var size: Int64
    }

    /// Where the ledger ends on the volume that has most of it.
    let end: LedgerPosition
    private var longest: [Int: Longest] = [:]

    /// Compares the ends of ledgers, and whole segments by size and last line.
    ///
    /// - Throws: `diverged` when one is not the beginning of another; `corrupt` when no volume has
    ///   a segment.
    init(_ ends: [LedgerEnd]) throws(StorageError) {
        end =
            ends.map(\.position).max { ($0.segment, $0.offset) < ($1.segment, $1.offset) }
            ?? .start
        let last = ends.compactMap { $0.sizes.keys.max() }.max() ?? 0
        // From the last segment back: the first line of a segment has the hash of the line before.
        for segment in stride(from: last, to: 0, by: -1) {
            let copies = ends.compactMap { end in
                end.sizes[segment].map { Longest(folder: end.folder, size: $0) }
            }.sorted { $0.size > $1.size }
            let truth = try whole(segment, of: copies, amongAll: ends.count)
            longest[segment] = truth
            let isAnEnd = ends.contains { $0.position.segment == segment }
            for copy in copies where copy.size != truth.size || isAnEnd {
                guard copy.size <= truth.size,
                    try copy.folder.lastLine(segment, before: copy.size)
                        == Self.tail(of: truth, segment, before: copy.size, like: copy.folder)
                else { throw Self.diverged(segment, copy.folder, truth.folder) }
            }
        }
    }

    /// The longest copy that the next segment follows.
    private func whole(
        _ segment: Int, of copies: [Longest], amongAll count: Int
    ) throws(StorageError) -> Longest {
        guard let first = copies.first else {
            let known = longest[segment + 1]?.folder
            throw StorageError(
                .corrupt, "a segment of the ledger is missing on all volumes",
                path: known?.path(segment) ?? LedgerFolder.name(segment),
                remedy: "Bring back a volume or an off-site copy that has it")
        }
        guard let next = longest[segment + 1],
            copies.count < count || copies.contains(where: { $0.size != first.size })
        else { return first }
        let head = try next.folder.firstPrevious(segment + 1)
        for copy in copies
        where try copy.folder.position(after: segment, copy.size).head == head {
            return copy
        }
        throw Self.diverged(segment, first.folder, next.folder)
    }

    private static func tail(
        of truth: Longest, _ segment: Int, before end: Int64, like folder: LedgerFolder
    ) throws(StorageError) -> [UInt8] {
        let count = try folder.lastLine(segment, before: end).count
        return try truth.folder.bytes(segment, before: end, count: Int64(count))
    }

    private static func diverged(
        _ segment: Int, _ one: LedgerFolder, _ other: LedgerFolder
    ) -> StorageError {
        StorageError(
            .diverged,
            "two volumes have different records in the same place of the ledger; nothing was "
                + "changed",
            path: "\(one.path(segment)) and \(other.path(segment))",
            remedy: "Start with only the volume that is right, and add the other as a new one")
    }

    /// The pieces that a volume lacks.
    func copies(to end: LedgerEnd) -> [SegmentCopy] {
        longest.keys.sorted().compactMap { segment in
            guard let truth = longest[segment] else { return nil }
            let size = end.sizes[segment] ?? 0
            guard size < truth.size else { return nil }
            return SegmentCopy(
                segment: segment, from: truth.folder, to: end.folder, range: size..<truth.size)
        }
    }
}

/// A piece of a segment that goes from one volume to another.
struct SegmentCopy {
    var segment: Int
    var from: LedgerFolder
    var to: LedgerFolder
    /// In bytes. The target ends where the range begins.
    var range: Range<Int64>

    /// Copies it durably, in pieces that are like batches: whole lines, each piece durable before
    /// the next is written. So a crash leaves a ``TornTail`` and nothing worse.
    ///
    /// - Returns: How many bytes.
    /// - Throws: `corrupt` when the source changes meanwhile; what a system call says.
    func run() throws(StorageError) -> Int64 {
        let source = try from.open(segment)
        let target = try to.openForWriting(segment, size: range.lowerBound)
        do throws(StorageError) {
            try write(from: source, to: target)
        } catch {
            // Bytes that could not be synced may be read, and yet never reach the disk.
            try? target.cut(to: range.lowerBound, path: to.path(segment))
            throw error
        }
        return range.upperBound - range.lowerBound
    }

    private func write(
        from source: borrowing Descriptor, to target: borrowing Descriptor
    ) throws(StorageError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let bytes = try source.bytes(
                at: offset, count: Int(min(Int64(Ledger.batchLimit), range.upperBound - offset)),
                path: from.path(segment))
            guard let newline = bytes.lastIndex(of: UInt8(ascii: "\n")) else {
                throw StorageError(
                    .corrupt, "the ledger was changed while it was copied",
                    path: from.path(segment), remedy: "Stop what changes it; start again")
            }
            try target.write(Array(bytes[...newline]), at: offset, path: to.path(segment))
            try target.syncData(path: to.path(segment))
            offset += Int64(newline + 1)
        }
    }
}
