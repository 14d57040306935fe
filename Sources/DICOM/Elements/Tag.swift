/// A data element tag: group and element number (PS3.5 section 7.1).
public struct Tag: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The group in the upper, the element number in the lower sixteen bits.
    public let rawValue: UInt32

    /// Makes a tag from its number, the group in the upper sixteen bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Makes a tag from its two halves.
    public init(_ group: UInt16, _ element: UInt16) {
        rawValue = UInt32(group) << 16 | UInt32(element)
    }

    /// The group number; odd groups are private (PS3.5 section 7.8).
    public var group: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 16) }

    /// The element number within the group.
    public var element: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

    /// The tag as the standard writes it: `(0010,0020)`.
    public var description: String { "(\(Self.hex(group)),\(Self.hex(element)))" }

    public static func < (a: Tag, b: Tag) -> Bool { a.rawValue < b.rawValue }

    private static func hex(_ number: UInt16) -> String {
        let digits = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: 4 - digits.count) + digits
    }
}

extension Tag {
    static let metaGroupLength = Tag(0x0002, 0x0000)
    static let mediaStorageSOPClassUID = Tag(0x0002, 0x0002)
    static let transferSyntaxUID = Tag(0x0002, 0x0010)
    static let directoryRecordSequence = Tag(0x0004, 0x1220)
    static let specificCharacterSet = Tag(0x0008, 0x0005)
    static let patientID = Tag(0x0010, 0x0020)
    static let typeOfPatientID = Tag(0x0010, 0x0022)
    static let otherPatientIDsSequence = Tag(0x0010, 0x1002)
    /// Float Pixel Data, Double Float Pixel Data and Pixel Data: the elements that hold pixels
    /// (PS3.6). The tables of offsets that group 7FE0 may begin with are not among them.
    static let pixels = Tag(0x7FE0, 0x0008)...Tag(0x7FE0, 0x0010)
    static let dataSetTrailingPadding = Tag(0xFFFC, 0xFFFC)
    static let item = Tag(0xFFFE, 0xE000)
    static let itemDelimitation = Tag(0xFFFE, 0xE00D)
    static let sequenceDelimitation = Tag(0xFFFE, 0xE0DD)
}
