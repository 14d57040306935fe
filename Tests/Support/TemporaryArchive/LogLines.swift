import Logging
import System

/// The messages that were logged, for tests to check.
public final class LogLines: Sendable {
    private let lines = Lock<[(level: Logger.Level, text: String)]>([])

    public init() {}

    /// A logger that writes here.
    public var logger: Logger {
        Logger(label: "test") { _ in Handler(lines: self) }
    }

    /// All messages of a level or worse.
    public func messages(_ level: Logger.Level = .trace) -> [String] {
        lines.withLock { $0.filter { $0.level >= level }.map(\.text) }
    }

    private struct Handler: LogHandler {
        let lines: LogLines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        init(lines: LogLines) { self.lines = lines }

        func log(event: LogEvent) {
            lines.lines.withLock { $0.append((event.level, event.message.description)) }
        }
    }
}
