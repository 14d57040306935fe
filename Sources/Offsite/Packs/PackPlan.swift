import Storage

/// Decides when the new blobs of a series go away, and in which objects.
///
/// It keeps a few numbers for each series that waits, not its blobs: a million images that wait
/// take no more memory than their series.
public struct PackPlan: Sendable {
    /// When blobs go away. Times are in nanoseconds.
    public struct Rules: Hashable, Sendable {
        /// A series is complete when no blob of it came for so long.
        public var quiet: Int64
        /// No blob waits longer, whether or not its series is complete.
        public var longest: Int64
        /// Blobs from this size on are objects of their own, and do not wait.
        public var singleBytes: Int64
        /// No pack has more bytes.
        public var packBytes: Int64

        /// Two minutes, and so much less than an hour that a push still ends within it.
        public init(
            quiet: Int64 = 120_000_000_000, longest: Int64 = 45 * 60_000_000_000,
            singleBytes: Int64 = Pack.singleBytes, packBytes: Int64 = Pack.mostBytes
        ) {
            self.quiet = quiet
            self.longest = longest
            self.singleBytes = singleBytes
            self.packBytes = packBytes
        }
    }

    /// A blob that is not away yet.
    public struct Blob: Hashable, Sendable {
        public var digest: Digest
        public var bytes: Int64

        public init(digest: Digest, bytes: Int64) {
            self.digest = digest
            self.bytes = bytes
        }
    }

    /// An object that is to be made of blobs of one series.
    public enum Object: Hashable, Sendable {
        /// A blob as it is.
        case single(Blob)
        /// At least two, sorted by their digests.
        case pack([Blob])

        public var blobs: [Blob] {
            switch self {
            case .single(let blob): [blob]
            case .pack(let blobs): blobs
            }
        }
    }

    /// What is to be done with a series that is due.
    public struct Due: Hashable, Sendable {
        public var series: Int64
        /// Whether all its blobs go, or only those that fill packs and the large ones.
        public var isWhole: Bool

        public init(series: Int64, isWhole: Bool) {
            self.series = series
            self.isWhole = isWhole
        }
    }

    private struct Waiting {
        var oldest: Int64
        var latest: Int64
        /// Bytes that its small blobs take in packs.
        var packedBytes: Int64 = 0
        var hasLarge = false
    }

    public let rules: Rules
    private var waiting: [Int64: Waiting] = [:]

    public init(_ rules: Rules = Rules()) { self.rules = rules }

    /// How many series wait.
    public var count: Int { waiting.count }

    /// Takes note of a blob.
    ///
    /// - Parameters:
    ///   - bytes: Its size.
    ///   - series: The number of its series.
    ///   - time: When it came, which may be before blobs that are noted already.
    public mutating func note(bytes: Int64, series: Int64, at time: Int64) {
        var entry = waiting[series] ?? Waiting(oldest: time, latest: time)
        entry.oldest = min(entry.oldest, time)
        entry.latest = max(entry.latest, time)
        if bytes >= rules.singleBytes {
            entry.hasLarge = true
        } else {
            entry.packedBytes += Pack.bytes(of: bytes)
        }
        waiting[series] = entry
    }

    /// When the first series becomes due; `nil` when none waits.
    public var nextDue: Int64? { waiting.values.map(moment).min() }

    /// The series that are due, those that wait longest first.
    public func due(at now: Int64) -> [Due] {
        waiting.filter { moment($0.value) <= now }
            .sorted { ($0.value.oldest, $0.key) < ($1.value.oldest, $1.key) }
            .map { Due(series: $0.key, isWhole: wholeMoment($0.value) <= now) }
    }

    /// Takes note that blobs of a series went, or are gone from the archive.
    ///
    /// - Parameters:
    ///   - rest: What still waits of it.
    ///   - oldest: When the oldest of these came.
    public mutating func settle(_ series: Int64, rest: [Blob], oldest: Int64) {
        guard let entry = waiting.removeValue(forKey: series), !rest.isEmpty else { return }
        for blob in rest { note(bytes: blob.bytes, series: series, at: oldest) }
        waiting[series]?.latest = entry.latest
    }

    private func moment(_ entry: Waiting) -> Int64 {
        let isFull = entry.packedBytes + Pack.bytesBesides > rules.packBytes
        return entry.hasLarge || isFull ? .min : wholeMoment(entry)
    }

    private func wholeMoment(_ entry: Waiting) -> Int64 {
        min(entry.latest + rules.quiet, entry.oldest + rules.longest)
    }

    /// Divides the blobs of one series into objects.
    ///
    /// - Parameters:
    ///   - blobs: Of one series, in any order; the result depends on the order they came in only
    ///     as to which share a pack.
    ///   - isWhole: Whether blobs that do not fill a pack go too.
    /// - Returns: The objects, and the blobs that wait.
    public func objects(of blobs: [Blob], isWhole: Bool) -> (objects: [Object], rest: [Blob]) {
        var objects: [Object] = []
        var pack: [Blob] = []
        var bytes = Pack.bytesBesides
        for blob in blobs {
            if blob.bytes >= rules.singleBytes {
                objects.append(.single(blob))
                continue
            }
            let more = Pack.bytes(of: blob.bytes)
            if bytes + more > rules.packBytes {
                objects.append(Self.object(of: pack))
                pack = []
                bytes = Pack.bytesBesides
            }
            pack.append(blob)
            bytes += more
        }
        if isWhole, !pack.isEmpty {
            objects.append(Self.object(of: pack))
            pack = []
        }
        return (objects, pack)
    }

    /// A single blob needs no tar around it.
    private static func object(of blobs: [Blob]) -> Object {
        blobs.count == 1 ? .single(blobs[0]) : .pack(blobs.sorted { $0.digest < $1.digest })
    }
}
