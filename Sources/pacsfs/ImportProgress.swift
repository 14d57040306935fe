import Foundation

/// A line on the terminal that says how far an import is; nothing when there is no terminal.
struct ImportProgress {
    private let files: Int
    private let bytes: Int64
    private var doneFiles = 0
    private var doneBytes: Int64 = 0
    private let start = Date.now
    private let isTerminal = isatty(STDERR_FILENO) == 1

    init(files: Int, bytes: Int64) {
        self.files = files
        self.bytes = bytes
    }

    mutating func advance(files: Int, bytes: Int64) {
        doneFiles += files
        doneBytes += bytes
        guard isTerminal else { return }
        let seconds = max(Date.now.timeIntervalSince(start), 0.001)
        let rate = Double(doneBytes) / seconds
        let left = rate > 0 ? Double(self.bytes - doneBytes) / rate : 0
        let line = "\(doneFiles) of \(self.files) files, \(Output.bytes(doneBytes)) of \(Output.bytes(self.bytes)), \(Output.bytes(Int64(rate)))/s, \(Self.duration(left)) left"
        StandardError.write("\r\u{1B}[K\(line)")
    }

    func end() {
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }

    private static func duration(_ seconds: Double) -> String {
        let seconds = Int(seconds.rounded(.up))
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    }
}
