/// The size that a file was given before its bytes, as Windows does before it copies, and which of
/// the bytes were written since. As long as some are missing it is half a file, although it looks
/// as long as the whole.
///
/// A size that is set after the last write does not count: programs that leave out zeros end this
/// way (`cp --sparse`, tar). Nor do holes within the file count, as long as it is written from
/// front to end; several writers at once have to write all of it.
struct DeclaredSize: Sendable {
    private(set) var size: Int
    /// Ascending; the extents neither overlap nor touch each other.
    private var written: [Range<Int>]
    private var isInOrder = true
    /// Whether something was written after the size was set.
    private var counts = false

    /// Beyond this number of extents, those nearest to each other are joined.
    private static let mostExtents = 1024

    /// - Parameters:
    ///   - size: Bytes.
    ///   - old: The size before, up to which the file was written.
    init(size: Int, from old: Int) {
        self.size = size
        written = old > 0 ? [0..<old] : []
    }

    private var end: Int { written.last?.upperBound ?? 0 }

    /// Whether every byte was written.
    var isFulfilled: Bool {
        written.first.map { $0.lowerBound == 0 && $0.upperBound >= size } ?? (size == 0)
    }

    /// What is missing, as a part of a sentence; `nil` when the file may be whole.
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
        // The first extent that ends at or after the start of this one, and the first that begins
        // after its end.
        let first = Self.firstIndex(in: written) { $0.upperBound >= range.lowerBound }
        let last = Self.firstIndex(in: written) { $0.lowerBound > range.upperBound }
        var whole = range
        if first < last {
            let known = written[first].lowerBound..<written[last - 1].upperBound
            // Writing something once more leaves the order as it is.
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
        if written.count > Self.mostExtents { joinNearest() }
    }

    /// The size was set once more; to the same size after the last write by programs that leave out
    /// zeros, such as rsync with `--preallocate --sparse`.
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

    /// By bisection; the number of extents when none matches.
    private static func firstIndex(
        in extents: [Range<Int>], where matches: (Range<Int>) -> Bool
    ) -> Int {
        var (low, high) = (0, extents.count)
        while low < high {
            let middle = (low + high) / 2
            if matches(extents[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
