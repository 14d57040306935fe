import Foundation

/// The language of `control.sock`: a JSON object on each line, and one or more answers to each
/// request.
///
/// ```
/// command  {"protocol":1,"program":"0.1.0","message":{"status":{}}}
/// daemon   {"protocol":1,"program":"0.1.0","message":{"status":{"_0":{…}}}}
/// ```
///
/// Both sides are the same program, but a daemon may run on while a newer pacsfs is installed.
/// `protocol` and `program` are read before the message: they never change.
enum ControlProtocol {
    /// Goes up with every change of ``ControlRequest`` or ``ControlResponse``, and of the types in
    /// them.
    static let version = 3

    private struct Envelope<Message: Codable>: Codable {
        var `protocol` = ControlProtocol.version
        var program = Pacsfs.configuration.version
        var message: Message
    }

    private struct Header: Decodable {
        var `protocol`: Int
        var program: String
    }

    /// A line, without the newline at its end.
    ///
    /// - Throws: `EncodingError` when a number in it is not finite.
    static func line(_ message: some Codable) throws -> Data {
        try JSONEncoder().encode(Envelope(message: message))
    }

    /// The message in a line.
    ///
    /// - Throws: ``ForeignMessage`` when it is of another version of pacsfs.
    static func message<Message: Codable>(_ type: Message.Type, in line: Data)
        throws(ForeignMessage) -> Message
    {
        let decoder = JSONDecoder()
        let header = try? decoder.decode(Header.self, from: line)
        guard header?.protocol == version,
            let envelope = try? decoder.decode(Envelope<Message>.self, from: line)
        else { throw ForeignMessage(program: header?.program) }
        return envelope.message
    }
}

/// A message that cannot be read, because it comes from another version of pacsfs.
struct ForeignMessage: Error {
    /// That version; `nil` when it does not say so.
    var program: String?

    /// `version 0.2.0`.
    var version: String { program.map { "version \($0)" } ?? "another version" }
}
