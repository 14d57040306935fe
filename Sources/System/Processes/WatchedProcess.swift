import CLinux
import Glibc

/// A process that can be waited for, whether or not it is a child of this one.
///
/// See: 'man 2 pidfd_open'
public struct WatchedProcess: ~Copyable {
    private let descriptor: Descriptor

    /// - Throws: `ESRCH` when there is no such process; `ENOSYS` before Linux 5.3.
    public init(_ process: pid_t) throws(Errno) {
        descriptor = Descriptor(owning: try systemCall { pidfd_open(process, 0) })
    }

    /// Waits until the process has ended. A child is still there for waitpid(2) then.
    ///
    /// - Parameter deadline: Nanoseconds of `CLOCK_MONOTONIC`; `nil` for none.
    /// - Returns: False when the deadline came first.
    public borrowing func waitForEnd(until deadline: Int64? = nil) -> Bool {
        while true {
            let left = deadline.map { max(0, $0 - SystemClock().now) }
            // Rounded up, so as not to turn round and round in the last millisecond.
            let pause = left.map { Int32(clamping: ($0 + 999_999) / 1_000_000) } ?? -1
            var polled = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
            let count = try? systemCall { poll(&polled, 1, pause) }
            if count != 0 { return count == 1 }
            if left == 0 { return false }
        }
    }
}
