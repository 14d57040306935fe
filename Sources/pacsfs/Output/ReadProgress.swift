import Foundation

/// A line on the terminal that says how far reading all images is; nothing when there is no
/// terminal.
struct ReadProgress {
    private let start = Date.now
    private var shown = Date.distantPast
    private let isTerminal = isatty(STDERR_FILENO) == 1

    /// Shows it, a few times a second at most.
    mutating func show(files: Int64, bytes: Int64, of total: Int64) {
        guard isTerminal, Date.now.timeIntervalSince(shown) > 0.2 else { return }
        shown = .now
        let seconds = max(shown.timeIntervalSince(start), 0.001)
        let rate = Double(bytes) / seconds
        var line = "\(files) images, \(Output.bytes(bytes))"
        if total > 0 { line += " of \(Output.bytes(total))" }
        line += ", \(Output.bytes(Int64(rate)))/s"
        if rate > 0, total > bytes {
            line += ", \(Output.duration(Double(total - bytes) / rate)) left"
        }
        StandardError.write("\r\u{1B}[K\(line)")
    }

    func end() {
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }
}
