import Glibc
import System

extension Mountpoint {
    /// What becomes of a question to a mount.
    public enum Answer: Sendable {
        /// It is served, or nothing is mounted.
        case alive
        /// Its daemon has died.
        case stale
        /// None came in time.
        case silent
    }

    /// Asks a mount for its free space: that is never answered from the kernel's cache, as stat(2)
    /// may be. Not to be called by the daemon of that mount.
    ///
    /// - Parameter seconds: How long to wait.
    public static func answer(of path: String, within seconds: Double) -> Answer {
        let answer = Monitor<Answer?>(nil)
        // A thread that asks a daemon which hangs waits until that ends, or this process does.
        let thread = try? WorkerThread("ask mount") {
            let result: Answer = isStale(path) ? .stale : .alive
            answer.withLock(waking: .all) { $0 = result }
        }
        guard thread != nil else { return .silent }
        let deadline = SystemClock().now + Int64(seconds * 1_000_000_000)
        return answer.wait(until: deadline) { $0 } ?? .silent
    }

    /// Whether the daemon of a mount has died.
    public static func isStale(_ path: String) -> Bool {
        var status = statvfs()
        return statvfs(path, &status) != 0 && (errno == ENOTCONN || errno == ECONNABORTED)
    }
}
