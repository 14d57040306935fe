import Foundation

/// How far a transfer is.
public struct TransferProgress: Hashable, Sendable {
    /// Bytes that have gone over so far.
    public var bytes: Int64
    /// Bytes in all, as far as is known.
    public var totalBytes: Int64
    /// Objects that are there.
    public var objects: Int

    public init(bytes: Int64 = 0, totalBytes: Int64 = 0, objects: Int = 0) {
        self.bytes = bytes
        self.totalBytes = totalBytes
        self.objects = objects
    }
}

/// What rclone says in its log, line by line (`--use-json-log`). 1.60 writes some lines as plain
/// text, and a message may go on in the lines after.
///
/// Lines of both versions:
///
///     {"level":"info","msg":"Copied (new)","object":"f2","source":"operations/operations.go:566"}
///     {"time":"…","level":"info","msg":"Copied (new)","size":99,"object":"f2"}
///     {"level":"info","msg":"\nTransferred: …","stats":{"bytes":99,"totalBytes":99,…}}
///     2026/11/28 09:05:55 Failed to copy: immutable file modified
struct RcloneLog {
    enum Event: Hashable {
        /// An object is there, and rclone has compared it with what it sent.
        case copied(String)
        case progress(TransferProgress)
        /// Something went wrong; with an object, or with everything.
        case failed(object: String?, String)
        /// The message before goes on.
        case more(String)
        case other(String)
    }

    private struct Line: Decodable {
        struct Stats: Decodable {
            var bytes: Int64?
            var totalBytes: Int64?
            var transfers: Int?
        }

        var level: String
        var msg: String
        var object: String?
        var stats: Stats?
    }

    /// Of a message that is longer nothing is lost that matters.
    private static let longestLine = 1 << 16
    private var unfinished: [UInt8] = []
    private let decoder = JSONDecoder()

    /// Takes what rclone has written.
    mutating func take(_ bytes: some Sequence<UInt8>, _ body: (Event) -> Void) {
        for byte in bytes {
            if byte != 0x0A {
                if unfinished.count < Self.longestLine { unfinished.append(byte) }
                continue
            }
            finish(body)
        }
    }

    /// Takes the last line, which may have no end.
    mutating func finish(_ body: (Event) -> Void) {
        defer { unfinished.removeAll(keepingCapacity: true) }
        if !unfinished.isEmpty, let event = event(of: unfinished) { body(event) }
    }

    private func event(of bytes: [UInt8]) -> Event? {
        if bytes.first == UInt8(ascii: "{"),
            let line = try? decoder.decode(Line.self, from: Data(bytes))
        {
            return Self.event(of: line)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        // 2026/11/28 09:05:54 ERROR : blobs/x: what happened
        guard let match = text.prefixMatch(of: /\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d (?:([A-Z]+) *: )?/)
        else {
            let rest = text.trimmingCharacters(in: .whitespaces)
            return rest.isEmpty ? nil : .more(rest)
        }
        let message = String(text[match.range.upperBound...])
        switch match.1 {
        case nil, "ERROR", "CRITICAL", "EMERGENCY": return .failed(object: nil, message)
        default: return .other(message)
        }
    }

    private static func event(of line: Line) -> Event {
        if let stats = line.stats {
            return .progress(
                TransferProgress(
                    bytes: stats.bytes ?? 0, totalBytes: stats.totalBytes ?? 0,
                    objects: stats.transfers ?? 0))
        }
        // "Multi-thread Copied (new)" too, of large files in 1.60.
        if line.level == "info", line.msg.contains("Copied ("), let object = line.object {
            return .copied(object)
        }
        switch line.level {
        case "error", "critical", "alert", "emergency":
            return .failed(object: line.object, line.msg)
        default:
            // What 1.75 says last has the level "notice".
            return line.msg.hasPrefix("Failed to ")
                ? .failed(object: nil, line.msg) : .other(line.msg)
        }
    }
}
