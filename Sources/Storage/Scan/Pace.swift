import Glibc
import System

/// Limits the bytes read in a second by all threads that share it.
///
/// A thread waits after each read, until the bytes read so far would have taken as long at the
/// wanted rate. Unused time is lost after a second, so that a pause is not followed by a burst.
public final class Pace: Sendable {
    /// Bytes a second.
    public let rate: Int64
    /// When the next read is free to go, in ns of the monotonic clock.
    private let free = Lock<Int64>(0)

    /// The longest single pause, in ns: a waiting thread checks this often whether to stop.
    private static let slice: Int64 = 100_000_000

    private let clock: any MonotonicClock

    /// - Parameter rate: Bytes a second, at least one.
    public init(bytesPerSecond rate: Int64, clock: any MonotonicClock = SystemClock()) {
        self.rate = max(1, rate)
        self.clock = clock
    }

    /// Counts bytes that were read and waits as long as they take.
    func pay(for bytes: Int, unless shouldStop: () -> Bool) {
        let cost = Int64(Double(bytes) / Double(rate) * 1e9)
        let due = free.withLock { free in
            free = max(free, clock.now - 1_000_000_000) + cost
            return free
        }
        while true {
            let left = due - clock.now
            if left <= 0 || shouldStop() { return }
            var pause = timespec(tv_sec: 0, tv_nsec: Int(min(left, Self.slice)))
            nanosleep(&pause, nil)
            DiskWork.goesOn()
        }
    }
}
