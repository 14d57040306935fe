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
        let line =
            "\(doneFiles) of \(self.files) files, \(Output.bytes(doneBytes)) of \(Output.bytes(self.bytes)), \(Output.bytes(Int64(rate)))/s, \(Output.duration(left)) left"
        StandardError.write("\r\u{1B}[K\(line)")
    }

    func end() {
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }
}
