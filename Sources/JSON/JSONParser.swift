/// Why a text is not JSON as ``JSONWriter`` writes it.
public struct JSONError: Error, Sendable, Equatable {
    /// Where in the text, in bytes from its start.
    public var offset: Int
    /// The fault, without a full stop.
    public var reason: String

    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }
}

/// Reads JSON (RFC 8259) from bytes, without fractions and exponents, which ``JSONWriter`` never
/// writes. A rebuild reads millions of lines, so the parser copies nothing but strings.
public struct JSONParser {
    private let bytes: UnsafeRawBufferPointer
    /// The offset of the next byte to read.
    public private(set) var offset = 0
    private var depth = 0

    /// Deeper nesting is not a record but an attack on the stack.
    private static let deepest = 32

    /// - Parameter bytes: The text; valid as long as the parser is used.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Reads a text that is one value with nothing but space around it.
    ///
    /// - Throws: ``JSONError`` for anything else.
    public static func value(of text: [UInt8]) throws(JSONError) -> JSONValue {
        try text.span.bytes.withUnsafeBytes { (bytes) throws(JSONError) in
            var parser = JSONParser(bytes)
            let value = try parser.value()
            try parser.end()
            return value
        }
    }

    private func error(_ reason: String) -> JSONError { JSONError(offset: offset, reason: reason) }

    private func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
            offset += 1
        }
    }

    /// Checks that nothing but space follows.
    ///
    /// - Throws: ``JSONError`` when something does.
    public mutating func end() throws(JSONError) {
        skipSpace()
        if offset < bytes.count { throw error("something follows the value") }
    }

    /// Takes exactly these bytes.
    ///
    /// - Throws: ``JSONError`` when others come next.
    public mutating func expect(_ text: StaticString) throws(JSONError) {
        guard take(text) else { throw error("expected \(text)") }
    }

    /// Takes these bytes if they come next.
    public mutating func take(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - offset >= count else { return false }
        for index in 0..<count where bytes[offset + index] != text.utf8Start[index] {
            return false
        }
        offset += count
        return true
    }

    /// Takes `count` bytes as they are; `nil` when fewer are left.
    public mutating func raw(_ count: Int) -> UnsafeRawBufferPointer? {
        guard bytes.count - offset >= count else { return nil }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// Reads one value, with space before it.
    ///
    /// - Throws: ``JSONError`` when none comes next.
    public mutating func value() throws(JSONError) -> JSONValue {
        skipSpace()
        guard let byte = peek() else { throw error("the text ends where a value should be") }
        switch byte {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"):
            offset += 1
            return .object(try members())
        case UInt8(ascii: "["): return .array(try elements())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .int(try int())
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: throw error("no value starts like this")
        }
    }

    /// Reads the members of an object, its closing brace included.
    ///
    /// - Throws: ``JSONError`` when they are damaged.
    public mutating func members() throws(JSONError) -> JSONObject {
        try descend()
        defer { depth -= 1 }
        var object = JSONObject()
        skipSpace()
        if take("}") { return object }
        object.members.reserveCapacity(8)
        while true {
            skipSpace()
            let key = try string()
            skipSpace()
            try expect(":")
            object.append(key, try value())
            skipSpace()
            if take("}") { return object }
            try expect(",")
        }
    }

    private mutating func elements() throws(JSONError) -> [JSONValue] {
        try descend()
        defer { depth -= 1 }
        offset += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return elements }
        while true {
            elements.append(try value())
            skipSpace()
            if take("]") { return elements }
            try expect(",")
        }
    }

    private mutating func descend() throws(JSONError) {
        depth += 1
        if depth > Self.deepest { throw error("nested too deep") }
    }

    /// Reads a whole number.
    ///
    /// - Throws: ``JSONError`` when none comes next, or it does not fit 64 bits.
    public mutating func int() throws(JSONError) -> Int64 {
        let negative = take("-")
        guard let first = peek(), first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9") else {
            throw error("expected a digit")
        }
        var value: Int64 = 0
        let start = offset
        while let digit = peek(), digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") {
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let step = Int64(digit - UInt8(ascii: "0"))
            let (next, carry) =
                negative
                ? tenfold.subtractingReportingOverflow(step)
                : tenfold.addingReportingOverflow(step)
            if overflow || carry { throw error("the number is too large") }
            value = next
            offset += 1
        }
        if first == UInt8(ascii: "0"), offset - start > 1 {
            throw error("the number starts with 0")
        }
        if let next = peek(),
            [UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(next)
        {
            throw error("the number is not whole")
        }
        return value
    }

    /// Reads a text in quotes.
    ///
    /// - Throws: ``JSONError`` when none comes next, or it is not UTF-8.
    public mutating func string() throws(JSONError) -> String {
        try expect("\"")
        let start = offset
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                let plain = UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
                // Not String(validating:as:): that is generic, and looks up types at run time.
                let text = plain.withMemoryRebound(to: UInt8.self) { (bytes) -> String? in
                    guard let valid = try? UTF8Span(validating: bytes.span) else { return nil }
                    return String(copying: valid)
                }
                guard let text else { throw error("the text is not UTF-8") }
                offset += 1
                return text
            case UInt8(ascii: "\\"):
                return try stringWithEscapes(from: start)
            case 0..<0x20: throw error("a control character in a text")
            default: offset += 1
            }
        }
        throw error("a text does not end")
    }

    private mutating func stringWithEscapes(from start: Int) throws(JSONError) -> String {
        var text = [UInt8](bytes[start..<offset])
        while let byte = peek() {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: text, as: UTF8.self) else {
                    throw error("the text is not UTF-8")
                }
                return text
            case UInt8(ascii: "\\"): try appendEscape(to: &text)
            case 0..<0x20: throw error("a control character in a text")
            default: text.append(byte)
            }
        }
        throw error("a text does not end")
    }

    private mutating func appendEscape(to text: inout [UInt8]) throws(JSONError) {
        guard let byte = peek() else { throw error("a text does not end") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "u"):
            var code = try hexQuad()
            if code >= 0xd800, code < 0xdc00 {
                try expect("\\u")
                let low = try hexQuad()
                guard low >= 0xdc00, low < 0xe000 else { throw error("half a surrogate pair") }
                code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw error("an unknown escape")
        }
    }

    private mutating func hexQuad() throws(JSONError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue
            else {
                throw error("expected four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
            offset += 1
        }
        return code
    }
}
