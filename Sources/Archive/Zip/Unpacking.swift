import System

/// The progress of a zip archive that is being unpacked, or waits.
public final class Unpacking: Sendable {
    /// Where the zip archive comes from: `incoming/` and its path.
    public let source: String
    private let counts = Lock<(files: Int?, done: Int, begun: Int64)>((nil, 0, 0))

    private let clock: any MonotonicClock

    public init(source: String, clock: any MonotonicClock = SystemClock()) {
        self.source = source
        self.clock = clock
    }

    func begin(files: Int) { counts.withLock { $0 = (files, 0, clock.now) } }

    /// One more of its files has been archived or refused.
    func advance() { counts.withLock { $0.done += 1 } }

    /// `nil` while it waits.
    public var progress: (done: Int, files: Int)? {
        counts.withLock { counts in counts.files.map { (min(counts.done, $0), $0) } }
    }

    /// The time since the unpacking began, ns.
    public var duration: Int64 {
        counts.withLock { $0.files == nil ? 0 : clock.now - $0.begun }
    }
}
