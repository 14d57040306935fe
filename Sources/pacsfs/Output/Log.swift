import Foundation
import Logging
import System

/// Standard error, which may be a file on a full disk or a pipe that nobody reads: what cannot
/// be written is dropped.
enum StandardError {
    static func write(_ text: String) {
        _ = text.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
    }
}

/// Log lines on standard error: with the priority in front for journald (sd-daemon(3)), with
/// the time for a file or a terminal.
struct StandardErrorLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    /// Which file standard error is, when that is ours to keep small.
    var file: LogFile?
    private let isJournal = Self.isJournal(ProcessInfo.processInfo.environment["JOURNAL_STREAM"])

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let text = Self.line("\(event.message)")
        let line =
            isJournal
            ? "<\(priority(event.level))>\(text)\n"
            : "\(Date.now.formatted(.iso8601)) \(event.level): \(text)\n"
        StandardError.write(line)
        file?.rotateIfDue()
    }

    /// A message in one line: names of files may hold line breaks, and what follows one would
    /// pass for a message of ours.
    static func line(_ message: String) -> String {
        var line = ""
        for scalar in message.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator:
                line += scalar.escaped(asASCII: true)
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line
    }

    /// Whether standard error is the stream to the journal that the variable names, `DEVICE:INODE`;
    /// it is inherited also by those whose errors go elsewhere.
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
