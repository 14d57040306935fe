import Foundation
import System

/// How far a task is.
struct TaskProgress: Sendable {
    /// What is done: `12 of 30 files`.
    var items: String
    var bytes: Int64 = 0
    /// Bytes to do; 0 when that is not known.
    var totalBytes: Int64 = 0
}

/// A line on the terminal that says how far a task is, and how long it will take; nothing when
/// standard error is not a terminal. It may be shown from any thread.
final class ProgressLine: Sendable {
    private let start = ContinuousClock.now
    private let lastShown = Lock<ContinuousClock.Instant?>(nil)
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// Shows it, a few times a second at most.
    func show(_ progress: TaskProgress) {
        guard isTerminal, isDue() else { return }
        let seconds = max((ContinuousClock.now - start) / .seconds(1), 0.001)
        StandardError.write("\r\u{1B}[K\(SafeText.line(Self.text(progress, after: seconds)))")
    }

    /// Takes the line away.
    func end() {
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }

    /// `12 of 30 files, 1.5 GB of 2.0 GB, 150 MB/s, 4 s left`.
    ///
    /// - Parameter seconds: Since the task began.
    static func text(_ progress: TaskProgress, after seconds: Double) -> String {
        var parts = [progress.items]
        let rate = Double(progress.bytes) / seconds
        if progress.bytes > 0 || progress.totalBytes > 0 {
            parts.append(
                Output.bytes(progress.bytes)
                    + (progress.totalBytes > 0 ? " of \(Output.bytes(progress.totalBytes))" : ""))
            parts.append("\(Output.bytes(Int64(rate)))/s")
        }
        if rate > 0, progress.totalBytes > progress.bytes {
            let left = Double(progress.totalBytes - progress.bytes) / rate
            parts.append("\(Output.duration(left)) left")
        }
        return parts.joined(separator: ", ")
    }

    private func isDue() -> Bool {
        lastShown.withLock { last in
            if let last, ContinuousClock.now - last < .milliseconds(200) { return false }
            last = .now
            return true
        }
    }
}
