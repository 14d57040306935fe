/// Writes JSON as UTF-8 on one line without spaces (RFC 8259): the same value always gives the
/// same bytes.
struct JSONWriter {
    /// What was written so far.
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    mutating func raw(_ text: StaticString) {
        bytes.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func newline() { bytes.append(UInt8(ascii: "\n")) }

    mutating func write(_ value: JSONValue) {
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

    /// Writes the members of an object with commas between, without the braces.
    mutating func writeMembers(of object: JSONObject) {
        for (index, member) in object.members.enumerated() {
            if index > 0 { raw(",") }
            write(member.key)
            raw(":")
            write(member.value)
        }
    }

    mutating func write(_ value: Int64) {
        bytes.append(contentsOf: String(value).utf8)
    }

    mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): raw("\\\"")
            case UInt8(ascii: "\\"): raw("\\\\")
            case UInt8(ascii: "\n"): raw("\\n")
            case UInt8(ascii: "\r"): raw("\\r")
            case UInt8(ascii: "\t"): raw("\\t")
            // DEL is allowed in JSON, but would be invisible in a terminal.
            case 0..<0x20, 0x7f:
                raw("\\u00")
                for nibble in [byte >> 4, byte & 15] {
                    bytes.append(
                        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") - 10 + nibble)
                }
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func write(_ digest: Digest) {
        bytes.append(UInt8(ascii: "\""))
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) { buffer in
            _ = digest.writeHex(to: buffer)
            bytes.append(contentsOf: buffer)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func write(_ time: Timestamp) {
        bytes.append(UInt8(ascii: "\""))
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Timestamp.textBytes) { buffer in
            _ = time.write(to: buffer)
            bytes.append(contentsOf: buffer)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
