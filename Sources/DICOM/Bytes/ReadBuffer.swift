import Glibc

/// The part of the file that is in memory. It moves forward over the file. Its steps grow while
/// the file is read through, and start small again after a jump, so that long values and pixels
/// are not read.
///
/// ```
/// file    0 ........ start ======== end .............. limit
/// memory             base[0 ..< end - start], then at least `slack` readable bytes
/// ```
///
/// A deflated data set is seen the same way; its positions count from the start of the inflated
/// bytes.
struct ReadBuffer: ~Copyable {
    /// Bytes after `end` that may be loaded but mean nothing, so that an element header can be
    /// decoded before it is known to be complete.
    static let slack = 16
    /// Bytes of the first read, and of the first after a jump.
    static let firstStep = 4096
    /// Bytes of the longest read.
    static let longestStep = 65536
    /// The most bytes that ``reach(_:_:)`` can be asked for.
    static let mostAtOnce = 65536 + 4096

    let base: UnsafeMutableRawPointer
    private(set) var start = 0
    private(set) var end = 0
    /// The end of the bytes; `Int.max` while the end of inflated bytes is not known.
    private(set) var limit = 0
    private var step = ReadBuffer.firstStep
    private var source: (any ByteSource)?
    private var inflater: Inflater?

    init() {
        base = .allocate(byteCount: Self.mostAtOnce + Self.slack, alignment: 16)
        memset(base, 0, Self.mostAtOnce + Self.slack)
    }

    deinit { base.deallocate() }

    /// Begins with a new source at its first byte.
    mutating func open(_ source: any ByteSource) {
        self.source = source
        inflater = nil
        limit = Int(clamping: source.size)
        start = 0
        end = 0
        step = Self.firstStep
    }

    /// Releases the source.
    mutating func close() {
        source = nil
        inflater = nil
    }

    /// Continues with the bytes that those from `offset` on inflate to; positions start from 0
    /// again.
    mutating func inflate(from offset: Int) throws(Fault) {
        guard let source else { return }
        inflater = try Inflater(source, from: offset)
        start = 0
        end = 0
        limit = .max
    }

    var isInflated: Bool { inflater != nil }

    /// The offset in the file of a position in the buffer.
    func fileOffset(_ position: Int) -> UInt64 {
        if let inflater { return UInt64(inflater.consumed) }
        return UInt64(max(0, min(position, limit)))
    }

    @inline(__always)
    func pointer(_ position: Int) -> UnsafeRawPointer {
        UnsafeRawPointer(base + (position &- start))
    }

    func bytes(_ position: Int, _ count: Int) -> UnsafeRawBufferPointer {
        precondition(position >= start && count >= 0 && position + count <= end)
        return UnsafeRawBufferPointer(start: pointer(position), count: count)
    }

    /// Whether `count` bytes from `position` are in memory.
    @inline(__always)
    func holds(_ position: Int, _ count: Int) -> Bool {
        position >= start && count <= end &- position
    }

    /// Brings `count` bytes from `position` into memory.
    ///
    /// - Returns: How many bytes from `position` are in memory now: fewer than `count` only at the
    ///   end of the bytes.
    mutating func reach(_ position: Int, _ count: Int) throws(Fault) -> Int {
        precondition(count <= Self.mostAtOnce && position >= 0)
        if holds(position, count) { return end - position }
        if position >= limit { return 0 }
        if inflater != nil { return try reachInflated(position, count) }
        guard let source else { return 0 }
        let sequential = position >= start && position <= end
        if sequential {
            let kept = end - position
            memmove(base, base + (position - start), kept)
            step = end == 0 ? Self.firstStep : min(step * 4, Self.longestStep)
        } else {
            end = position
            step = Self.firstStep
        }
        start = position
        let wanted = min(max(count, step), limit - start)
        if end - start < wanted {
            let target = UnsafeMutableRawBufferPointer(
                start: base + (end - start), count: wanted - (end - start))
            let got: Int
            do throws(ReadError) {
                got = try source.read(at: UInt64(end), into: target)
            } catch {
                throw .source(error)
            }
            guard got >= 0 && got <= target.count else { throw .data(.io, at: end) }
            end += got
            if got < target.count { limit = end }
        }
        return end - start
    }

    private mutating func reachInflated(_ position: Int, _ count: Int) throws(Fault) -> Int {
        guard position >= start else { throw .data(.deflateCorrupt, at: position) }
        while true {
            let keep = min(position, end)
            memmove(base, base + (keep - start), end - keep)
            start = keep
            if end - position >= count { return end - position }
            let filled = end - start
            let target = UnsafeMutableRawBufferPointer(
                start: base + filled, count: min(Self.longestStep, Self.mostAtOnce - filled))
            let got = try inflater?.inflate(into: target) ?? 0
            if got == 0 {
                limit = end
                return max(0, end - position)
            }
            end += got
        }
    }
}
