import Dispatch
import Foundation
import Glibc
import System

extension Mountpoint {
    /// The answer of a mount to a question.
    public enum Answer: Sendable {
        /// It is served, or nothing is mounted.
        case alive
        /// Its daemon has died.
        case stale
        /// Nothing in the time that was given.
        case silent
    }

    /// Asks a mount. `stat` may be answered from the kernel's cache; how full a file system is, is
    /// always asked. Not to be called by the daemon of that mount.
    ///
    /// - parameter seconds: how long to wait
    public static func answer(of path: String, within seconds: Double) -> Answer {
        let question = Question()
        // A question to a daemon that hangs waits until the daemon ends, or this process does.
        Thread.detachNewThread {
            let result: Answer = isStale(path) ? .stale : .alive
            question.answer.withLock { $0 = result }
            question.hasCome.signal()
        }
        _ = question.hasCome.wait(timeout: .now() + seconds)
        return question.answer.withLock { $0 } ?? .silent
    }

    private final class Question: Sendable {
        let answer = Lock<Answer?>(nil)
        let hasCome = DispatchSemaphore(value: 0)
    }

    /// Whether the daemon of a mount has died.
    public static func isStale(_ path: String) -> Bool {
        var status = statvfs()
        return statvfs(path, &status) != 0 && (errno == ENOTCONN || errno == ECONNABORTED)
    }
}
