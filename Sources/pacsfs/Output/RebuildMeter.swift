import Archive
import Foundation
import System

/// A line on the terminal that says how far a rebuild is; nothing when there is no terminal.
final class RebuildMeter: Sendable {
    private let start = Date.now
    private let lastShown = Lock(Date.distantPast)
    private let isTerminal = isatty(STDERR_FILENO) == 1

    func show(_ progress: RebuildProgress) {
        guard isTerminal, isDue() else { return }
        let seconds = max(Date.now.timeIntervalSince(start), 0.001)
        let line =
            switch progress.step {
            case .indexes: "\(progress.records) records; sorting"
            case .ledger, .blobs:
                "\(progress.records) \(progress.step == .blobs ? "images" : "records"), \(Output.bytes(progress.bytes))"
                    + (progress.totalBytes > 0 ? " of \(Output.bytes(progress.totalBytes))" : "")
                    + ", \(Output.bytes(Int64(Double(progress.bytes) / seconds)))/s"
            }
        StandardError.write("\r\u{1B}[K\(line)")
    }

    private func isDue() -> Bool {
        lastShown.withLock { last in
            guard Date.now.timeIntervalSince(last) > 0.1 else { return false }
            last = .now
            return true
        }
    }

    func end() {
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }
}
