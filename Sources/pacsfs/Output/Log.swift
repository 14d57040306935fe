import Foundation
import Logging
import System

/// Standard error, which may be a file on a full disk or a pipe that nobody reads: text that
/// cannot be written is dropped.
enum StandardError {
    static func write(_ text: String) {
        _ = text.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
    }
}

/// Log lines on standard error: they begin with the priority for journald (sd-daemon(3)), with the
/// time for a file or a terminal.
struct StandardErrorLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    /// The file that standard error is, if this process has to keep it small.
    var file: LogFile?
    private let isJournal = Self.isJournal(ProcessInfo.processInfo.environment["JOURNAL_STREAM"])

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let text = SafeText.line("\(event.message)")
        let line =
            isJournal
            ? "<\(priority(event.level))>\(text)\n"
            : "\(Date.now.formatted(.iso8601)) \(event.level): \(text)\n"
        StandardError.write(line)
        file?.rotateIfDue()
    }

    /// Whether standard error is the stream to the journal that the variable names, `DEVICE:INODE`.
    /// Processes inherit the variable even if their errors go elsewhere.
    ///
    /// See: 'man 5 systemd.exec', $JOURNAL_STREAM
    static func isJournal(_ variable: String?) -> Bool {
        var status = stat()
        guard let variable, fstat(STDERR_FILENO, &status) == 0 else { return false }
        return variable == "\(status.st_dev):\(status.st_ino)"
    }

    private func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    static func logger(level: Logger.Level = .info, file: LogFile? = nil) -> Logger {
        Logger(label: "pacsfs") { _ in
            var handler = StandardErrorLog()
            handler.logLevel = level
            handler.file = file
            return handler
        }
    }
}
