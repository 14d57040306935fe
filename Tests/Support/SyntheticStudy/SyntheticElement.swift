/// A data element as a synthetic image holds it: a tag, a value representation and a value.
public struct SyntheticElement: Sendable, Equatable {
    /// The value, in the form in which it is easiest to write down.
    public enum Value: Sendable, Equatable {
        /// Text, several values joined with `\`; encoded in the character set of the image.
        case text(String)
        /// Numbers of the representation US (16 bits), UL (32 bits) or AT (group, then element).
        case numbers([UInt32])
        /// Anything else, as it is in the file.
        case bytes([UInt8])
        /// The items of a sequence.
        case items([[SyntheticElement]])
    }

    /// Group and element number in one: `0x0010_0010`.
    public var tag: UInt32
    /// The value representation, two letters (PS3.5 6.2).
    public var vr: String
    public var value: Value

    public init(_ tag: UInt32, _ vr: String, _ value: Value) {
        self.tag = tag
        self.vr = vr
        self.value = value
    }

    /// An element with text, for example `SyntheticElement(0x0010_0010, "PN", "Smith^Rex")`.
    public init(_ tag: UInt32, _ vr: String, _ text: String) {
        self.init(tag, vr, .text(text))
    }
}

/// The character set in which text is written.
public enum SyntheticCharacterSet: String, Sendable, CaseIterable {
    case latin1 = "ISO_IR 100"
    case utf8 = "ISO_IR 192"

    /// The bytes of a text; characters that are not in Latin-1 become `?`.
    func encode(_ text: String) -> [UInt8] {
        switch self {
        case .utf8: Array(text.utf8)
        case .latin1: text.unicodeScalars.map { UInt8(exactly: $0.value) ?? UInt8(ascii: "?") }
        }
    }
}

/// Writes data elements as Explicit VR Little Endian (PS3.5 7.1.2 and A.2).
struct ElementWriter {
    private(set) var bytes: [UInt8] = []
    let characterSet: SyntheticCharacterSet

    init(characterSet: SyntheticCharacterSet, capacity: Int = 2_048) {
        self.characterSet = characterSet
        bytes.reserveCapacity(capacity)
    }

    mutating func append(raw: some Sequence<UInt8>) { bytes.append(contentsOf: raw) }

    /// Writes an element. The value is padded to an even length.
    mutating func append(_ element: SyntheticElement) {
        var value = encoded(element)
        if value.count % 2 != 0 {
            value.append(["UI", "OB", "UN"].contains(element.vr) ? 0 : UInt8(ascii: " "))
        }
        append(tag: element.tag)
        append(raw: element.vr.utf8)
        if ["OB", "OW", "SQ", "UC", "UN", "UR", "UT"].contains(element.vr) {
            append(raw: [0, 0])
            append(UInt32(value.count))
        } else {
            precondition(
                value.count <= 0xFFFE,
                "a value of \(element.vr) has at most 65,534 bytes (PS3.5 7.1.2)")
            append(UInt16(value.count))
        }
        append(raw: value)
    }

    private func encoded(_ element: SyntheticElement) -> [UInt8] {
        switch element.value {
        case .text(let text): return characterSet.encode(text)
        case .bytes(let bytes): return bytes
        case .numbers(let numbers):
            var writer = ElementWriter(characterSet: characterSet, capacity: numbers.count * 4)
            for number in numbers {
                switch element.vr {
                case "US": writer.append(UInt16(truncatingIfNeeded: number))
                case "AT": writer.append(tag: number)
                default: writer.append(number)
                }
            }
            return writer.bytes
        case .items(let items):
            var writer = ElementWriter(characterSet: characterSet, capacity: 256)
            for item in items {
                var content = ElementWriter(characterSet: characterSet, capacity: 256)
                for element in item { content.append(element) }
                writer.append(tag: 0xFFFE_E000)
                writer.append(UInt32(content.bytes.count))
                writer.append(raw: content.bytes)
            }
            return writer.bytes
        }
    }

    private mutating func append(tag: UInt32) {
        append(UInt16(tag >> 16))
        append(UInt16(truncatingIfNeeded: tag))
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
}
