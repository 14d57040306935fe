/// Writes JSON as UTF-8 on one line without spaces (RFC 8259): the same value always gives the
/// same bytes.
public struct JSONWriter: Sendable {
    /// The text so far.
    public private(set) var bytes: [UInt8] = []

    /// - Parameter capacity: Bytes to make room for.
    public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// The text of one value.
    public static func text(of value: JSONValue) -> String {
        var writer = JSONWriter()
        writer.write(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// Appends text as it is.
    public mutating func raw(_ text: StaticString) {
        bytes.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends bytes as they are.
    public mutating func raw(_ text: UnsafeMutableBufferPointer<UInt8>) {
        bytes.append(contentsOf: text)
    }

    /// Appends a value.
    public mutating func write(_ value: JSONValue) {
        switch value {
        case .null: raw("null")
        case .bool(let value): value ? raw("true") : raw("false")
        case .int(let value): write(value)
        case .string(let value): write(value)
        case .array(let elements):
            raw("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { raw(",") }
                write(element)
            }
            raw("]")
        case .object(let object):
            raw("{")
            writeMembers(of: object)
            raw("}")
        }
    }

    /// Appends the members of an object with commas between, without the braces.
    public mutating func writeMembers(of object: JSONObject) {
        for (index, member) in object.members.enumerated() {
            if index > 0 { raw(",") }
            write(member.key)
            raw(":")
            write(member.value)
        }
    }

    /// Appends a number.
    public mutating func write(_ value: Int64) {
        bytes.append(contentsOf: String(value).utf8)
    }

    /// Appends a text in quotes.
    public mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        if Self.isPlain(text) {
            bytes.append(contentsOf: text.utf8)
        } else {
            for scalar in text.unicodeScalars { writeEscaped(scalar) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Whether no character of a text needs an escape. Most texts are plain.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            // U+FEFF begins with 0xEF.
            byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
                && byte != 0x7F && byte != 0xEF
        }
    }

    private mutating func writeEscaped(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": raw("\\\"")
        case "\\": raw("\\\\")
        case "\n": raw("\\n")
        case "\r": raw("\\r")
        case "\t": raw("\\t")
        // JSON allows DEL, but a terminal does not show it. Some readers take U+FEFF for a byte
        // order mark and drop it.
        case "\u{0}"..<"\u{20}", "\u{7F}", "\u{FEFF}":
            raw("\\u")
            for shift in [12, 8, 4, 0] as [UInt32] {
                let nibble = UInt8(scalar.value >> shift & 15)
                bytes.append(
                    nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") - 10 + nibble)
            }
        default: bytes.append(contentsOf: UTF8.encode(scalar)!)
        }
    }
}
