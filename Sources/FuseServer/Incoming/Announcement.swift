/// The size that a file was given ahead, as Windows does before it copies, and what was written of
/// it. Without the rest it is half a file, although it looks as long as the whole.
///
/// A size that is set behind the last write counts for nothing: so end programs that leave out
/// zeros (`cp --sparse`, tar). Such holes are let be within the file as well, as long as it is written
/// from front to end; several writers at once have to write all of it.
struct Announcement: Sendable {
    private(set) var size: Int
    /// Ascending; neither overlapping nor touching each other.
    private var written: [Range<Int>]
    private var isInOrder = true
    /// Whether something was written after the size was set.
    private var counts = false

    /// So many pieces are told apart; of more, those next to each other are taken for one.
    private static let mostPieces = 1024

    /// - parameter old: the size before, to which it was written
    init(size: Int, from old: Int) {
        self.size = size
        written = old > 0 ? [0..<old] : []
    }

    private var end: Int { written.last?.upperBound ?? 0 }

    /// Whether every byte was written.
    var isFulfilled: Bool {
        written.first.map { $0.lowerBound == 0 && $0.upperBound >= size } ?? (size == 0)
    }

    /// What is missing, as a part of a sentence; `nil` when it may be whole.
    var missing: String? {
        guard counts, !isFulfilled else { return nil }
        if isInOrder {
            return end >= size ? nil : "nothing was written after \(end) of \(size) bytes"
        }
        return "only \(written.reduce(0) { $0 + $1.count }) of \(size) bytes were written"
    }

    mutating func wrote(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        counts = true
        // The first piece that ends where this begins, or behind, and the first that begins behind it.
        let first = Self.firstIndex(in: written) { $0.upperBound >= range.lowerBound }
        let last = Self.firstIndex(in: written) { $0.lowerBound > range.upperBound }
        var whole = range
        if first < last {
            let known = written[first].lowerBound..<written[last - 1].upperBound
            // To write something once more leaves the order as it is.
            if last - first == 1, known.lowerBound <= range.lowerBound,
                range.upperBound <= known.upperBound
            {
                return
            }
            whole =
                min(known.lowerBound, range.lowerBound)..<max(known.upperBound, range.upperBound)
        }
        if range.lowerBound < end { isInOrder = false }
        written.replaceSubrange(first..<last, with: CollectionOfOne(whole))
        if written.count > Self.mostPieces { joinNearest() }
    }

    /// The size was set once more; to the same size behind the last write by whoever leaves out zeros,
    /// as rsync does with `--preallocate --sparse`.
    mutating func resize(to new: Int) {
        if new > size { counts = missing != nil }
        if new == size { counts = false }
        size = new
        written = written.compactMap { $0.lowerBound < new ? $0.clamped(to: 0..<new) : nil }
    }

    private mutating func joinNearest() {
        guard
            let index = written.indices.dropLast().min(by: {
                written[$0 + 1].lowerBound - written[$0].upperBound < written[$1 + 1].lowerBound
                    - written[$1].upperBound
            })
        else { return }
        let joined = written[index].lowerBound..<written[index + 1].upperBound
        written.replaceSubrange(index...index + 1, with: CollectionOfOne(joined))
    }

    /// By bisection; the number of pieces when there is none.
    private static func firstIndex(in pieces: [Range<Int>], where isSo: (Range<Int>) -> Bool) -> Int
    {
        var (low, high) = (0, pieces.count)
        while low < high {
            let middle = (low + high) / 2
            if isSo(pieces[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
