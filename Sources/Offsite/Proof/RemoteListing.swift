import JSON

/// An object as the server lists it.
public struct ListedObject: Hashable, Sendable {
    /// Its name on the server, from the remote's path on.
    public var name: String
    public var bytes: Int64
    /// In lower case, by kind.
    public var hashes: [HashKind: String]

    public init(name: String, bytes: Int64, hashes: [HashKind: String] = [:]) {
        self.name = name
        self.bytes = bytes
        self.hashes = hashes
    }
}

/// Reads what `rclone lsjson` prints while it comes: an array with an object in each line. A
/// listing that breaks off is not mistaken for a shorter one.
///
///     [
///     {"Path":"f2","Name":"f2","Size":99,"ModTime":"","IsDir":false,"Hashes":{"md5":"87dc…"}},
///     …
///     ]
struct RemoteListing {
    private enum Position {
        case before, inside, after
    }

    private var position = Position.before
    private var line: [UInt8] = []
    /// A name has at most 1,024 bytes on S3; hashes and the rest take a few hundred.
    private static let longestLine = 1 << 16

    /// Takes what rclone has printed.
    ///
    /// - Throws: `badAnswer` when it is something else.
    mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ body: (ListedObject) -> Void
    ) throws(OffsiteError) {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0A) {
            line.append(contentsOf: rest[..<end])
            rest = rest[(end + 1)...]
            try takeLine(body)
            line.removeAll(keepingCapacity: true)
        }
        line.append(contentsOf: rest)
        if line.count > Self.longestLine { throw Self.error("a line does not end") }
    }

    /// - Throws: `badAnswer` when the listing is not whole.
    mutating func finish() throws(OffsiteError) {
        try takeLine { _ in }
        if position != .after { throw Self.error("it breaks off") }
    }

    private mutating func takeLine(_ body: (ListedObject) -> Void) throws(OffsiteError) {
        while let last = line.last, last == 0x0D || last == 0x20 || last == 0x2C {
            line.removeLast()
        }
        switch (position, line.first) {
        case (_, nil): break
        case (.before, UInt8(ascii: "[")):
            // An empty one may be "[]".
            position = line.count == 1 ? .inside : .after
            if line.count > 1, line != Array("[]".utf8) { throw Self.error("it is no list") }
        case (.inside, UInt8(ascii: "]")): position = .after
        case (.inside, UInt8(ascii: "{")):
            if let object = try object() { body(object) }
        default: throw Self.error("it is no list of objects")
        }
    }

    private func object() throws(OffsiteError) -> ListedObject? {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONParser.value(of: line)
        } catch {
            throw Self.error("\(error.reason), at byte \(error.offset) of a line")
        }
        guard let object = value.object, let name = object["Path"]?.string,
            let bytes = object["Size"]?.int
        else { throw Self.error("an object has no name or no size") }
        if object["IsDir"]?.bool == true { return nil }
        var hashes: [HashKind: String] = [:]
        for hash in object["Hashes"]?.object?.members ?? [] {
            // Empty where the server does not know it, as for an object in several parts.
            if let text = hash.value.string, !text.isEmpty {
                hashes[HashKind(hash.key)] = text.lowercased()
            }
        }
        return ListedObject(name: name, bytes: bytes, hashes: hashes)
    }

    private static func error(_ reason: String) -> OffsiteError {
        OffsiteError(
            .badAnswer, "rclone's listing of the remote is not understood: \(reason)",
            remedy: "See the log.")
    }
}
