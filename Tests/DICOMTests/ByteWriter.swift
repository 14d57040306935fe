import DICOM
import DICOMSupport

/// Writes data elements byte by byte, correct or wrong, as a test needs them.
struct ByteWriter {
    enum Encoding: CaseIterable { case explicitLittle, explicitBig, implicitLittle }

    let encoding: Encoding
    var bytes: [UInt8] = []

    init(_ encoding: Encoding = .explicitLittle) { self.encoding = encoding }

    /// Adds an element; text is padded to an even length, with a zero in UIDs.
    mutating func add(_ group: UInt16, _ element: UInt16, _ vr: String, _ text: String) {
        var value = Array(text.utf8)
        if value.count % 2 == 1 { value.append(vr == "UI" ? 0 : 0x20) }
        add(group, element, vr, value)
    }

    /// Adds an element with the bytes of a value, as they are.
    mutating func add(
        _ group: UInt16, _ element: UInt16, _ vr: String, _ value: [UInt8], length: UInt32? = nil
    ) {
        head(group, element, vr, length ?? UInt32(value.count))
        bytes += value
    }

    /// Adds a number of sixteen bits.
    mutating func add(_ group: UInt16, _ element: UInt16, number: UInt16, vr: String = "US") {
        head(group, element, vr, 2)
        add(number)
    }

    /// Adds everything of an element except its value.
    mutating func head(_ group: UInt16, _ element: UInt16, _ vr: String, _ length: UInt32) {
        add(group)
        add(element)
        guard encoding != .implicitLittle, group != 0xFFFE else { return add(length) }
        bytes += Array(vr.utf8)
        if ["OB", "OW", "SQ", "UN", "UT", "UC", "UR", "OF", "OV"].contains(vr) {
            add(UInt16(0))
            add(length)
        } else {
            add(UInt16(truncatingIfNeeded: length))
        }
    }

    /// Adds a sequence, each item's bytes given, with defined or undefined lengths.
    mutating func sequence(
        _ group: UInt16, _ element: UInt16, vr: String = "SQ", isUndefined: Bool, items: [[UInt8]]
    ) {
        var inside = ByteWriter(vr == "UN" ? .implicitLittle : encoding)
        for item in items {
            inside.add(0xFFFE, 0xE000, "", item, length: isUndefined ? .max : nil)
            if isUndefined { inside.head(0xFFFE, 0xE00D, "", 0) }
        }
        if isUndefined { inside.head(0xFFFE, 0xE0DD, "", 0) }
        add(group, element, vr, inside.bytes, length: isUndefined ? .max : nil)
    }

    mutating func add(_ number: UInt16) {
        let (low, high) = (UInt8(number & 0xFF), UInt8(number >> 8))
        bytes += encoding == .explicitBig ? [high, low] : [low, high]
    }

    mutating func add(_ number: UInt32) {
        let (low, high) = (UInt16(number & 0xFFFF), UInt16(number >> 16))
        if encoding == .explicitBig {
            add(high)
            add(low)
        } else {
            add(low)
            add(high)
        }
    }
}

extension ByteWriter {
    static let explicitLittleUID = "1.2.840.10008.1.2.1"
    static let explicitBigUID = "1.2.840.10008.1.2.2"
    static let implicitLittleUID = "1.2.840.10008.1.2"
    static let deflatedUID = "1.2.840.10008.1.2.1.99"

    /// Group 0002 with a correct group length.
    static func meta(_ transferSyntax: String?, sopClass: String = "1.2.3") -> [UInt8] {
        var group = ByteWriter()
        group.add(0x0002, 0x0001, "OB", [0, 1])
        group.add(0x0002, 0x0002, "UI", sopClass)
        if let transferSyntax { group.add(0x0002, 0x0010, "UI", transferSyntax) }
        var head = ByteWriter()
        head.head(0x0002, 0x0000, "UL", 4)
        head.add(UInt32(group.bytes.count))
        return head.bytes + group.bytes
    }

    /// A preamble of zeros and `DICM`.
    static let preamble = [UInt8](repeating: 0, count: 128) + Array("DICM".utf8)

    /// A whole file around a data set.
    static func file(_ transferSyntax: String?, _ dataSet: [UInt8]) -> [UInt8] {
        preamble + meta(transferSyntax) + dataSet
    }

    /// A whole file in explicit VR little endian.
    static func file(_ dataSet: [UInt8]) -> [UInt8] { file(explicitLittleUID, dataSet) }

    /// A small data set with everything from a SOP class to columns.
    static func image(_ encoding: Encoding = .explicitLittle) -> ByteWriter {
        var writer = ByteWriter(encoding)
        writer.add(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.2")
        writer.add(0x0008, 0x0018, "UI", "1.2.3.4.5")
        writer.add(0x0008, 0x0020, "DA", "20240131")
        writer.add(0x0008, 0x0060, "CS", "CT")
        writer.add(0x0010, 0x0010, "PN", "Smith^Rex")
        writer.add(0x0010, 0x0020, "LO", "1234")
        writer.add(0x0020, 0x000D, "UI", "1.2.3")
        writer.add(0x0020, 0x000E, "UI", "1.2.3.4")
        writer.add(0x0028, 0x0010, number: 512)
        writer.add(0x0028, 0x0011, number: 300)
        return writer
    }
}

/// Reads bytes with a new reader.
func read(_ bytes: [UInt8]) throws(ReadError) -> HeaderAttributes {
    var reader = HeaderReader()
    return try reader.read(BufferSource(bytes))
}

/// The error of reading the bytes; `nil` when there is none.
func readError(_ bytes: [UInt8]) -> ReadError? {
    do throws(ReadError) {
        _ = try read(bytes)
        return nil
    } catch {
        return error
    }
}
