import DICOM
import Testing

@Suite("Other patient IDs")
struct OtherPatientIDsTests {
    private func item(_ id: String?, _ type: String?, charset: String? = nil) -> [UInt8] {
        var writer = ByteWriter()
        if let charset { writer.add(0x0008, 0x0005, "CS", charset) }
        if let id { writer.add(0x0010, 0x0020, "LO", id) }
        writer.add(0x0010, 0x0021, "LO", "ISSUER")
        if let type { writer.add(0x0010, 0x0022, "CS", type) }
        return writer.bytes
    }

    private func read(
        retired: String? = nil, isUndefined: Bool = false, items: [[UInt8]]?
    ) throws -> HeaderAttributes {
        var writer = ByteWriter()
        writer.add(0x0010, 0x0020, "LO", "1234")
        if let retired { writer.add(0x0010, 0x1000, "LO", retired) }
        if let items { writer.sequence(0x0010, 0x1002, isUndefined: isUndefined, items: items) }
        writer.add(0x0020, 0x0013, "IS", "7")
        let header = try DICOMTests.read(ByteWriter.file(writer.bytes))
        #expect(header[.patientID] == "1234")
        #expect(header[.issuerOfPatientID] == nil)
        #expect(header[.instanceNumber] == "7")
        #expect(header.flags == [])
        return header
    }

    @Test("Microchips are marked, other identifiers are not", arguments: [true, false])
    func chips(isUndefined: Bool) throws {
        let items = [
            item("985112001234567", "RFID"), item("OLD-77", "TEXT"), item("X1", nil),
            item(nil, "RFID"), item("", "RFID"),
        ]
        let header = try read(isUndefined: isUndefined, items: items)
        #expect(header[.otherPatientIDs] == "RFID:985112001234567\\OLD-77\\X1")
    }

    @Test("The sequence takes the place of the retired element")
    func replaces() throws {
        #expect(try read(retired: "A\\B", items: [item("C", "TEXT")])[.otherPatientIDs] == "C")
        #expect(try read(retired: "A\\B", items: [item(nil, nil)])[.otherPatientIDs] == "A\\B")
        #expect(try read(retired: "A\\B", items: [])[.otherPatientIDs] == "A\\B")
        #expect(try read(retired: "A\\B ", items: nil)[.otherPatientIDs] == "A\\B")
    }

    @Test("An empty sequence is empty, a missing one absent")
    func empty() throws {
        #expect(try read(items: [])[.otherPatientIDs] == "")
        #expect(try read(items: nil)[.otherPatientIDs] == nil)
    }

    @Test("An item may declare its own character set, which ends with it")
    func ownCharacterSet() throws {
        var items = [item("x", "TEXT", charset: "ISO_IR 100"), item("y", "TEXT")]
        items[0] = items[0].map { $0 == UInt8(ascii: "x") ? 0xFC : $0 }
        var writer = ByteWriter()
        writer.add(0x0008, 0x0005, "CS", "ISO_IR 192")
        writer.sequence(0x0010, 0x1002, isUndefined: true, items: items)
        writer.add(0x0010, 0x2201, "LO", "Köter")
        let header = try DICOMTests.read(ByteWriter.file(writer.bytes))
        #expect(header[.otherPatientIDs] == "ü\\y")
        #expect(header[.patientSpeciesDescription] == "Köter")
        #expect(header.flags == [])
    }

    @Test("A sequence in UN with a length is read as implicit VR")
    func unknownVR() throws {
        var inner = ByteWriter(.implicitLittle)
        inner.add(0x0010, 0x0020, "LO", "900")
        inner.add(0x0010, 0x0022, "CS", "RFID")
        var writer = ByteWriter()
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        writer.sequence(0x0010, 0x1002, vr: "UN", isUndefined: false, items: [inner.bytes])
        writer.add(0x0010, 0x2201, "LO", "Canine")
        let header = try DICOMTests.read(ByteWriter.file(writer.bytes))
        #expect(header[.otherPatientIDs] == "RFID:900")
        #expect(header[.patientSpeciesDescription] == "Canine")
    }

    @Test("Damage within the sequence keeps the identifiers before it")
    func damaged() throws {
        var writer = ByteWriter()
        writer.add(0x0010, 0x0020, "LO", "1234")
        var items = ByteWriter()
        items.add(0xFFFE, 0xE000, "", item("900", "RFID"))
        items.add(0xFFFE, 0xE000, "", [1, 2, 3], length: 5000)
        writer.add(0x0010, 0x1002, "SQ", items.bytes)
        let header = try DICOMTests.read(ByteWriter.file(writer.bytes))
        #expect(header[.otherPatientIDs] == "RFID:900")
        #expect(header.flags == .truncated)
    }
}
