import DICOM
import Testing

@Suite("Preamble and file meta information")
struct FileMetaInformationTests {
    private let dataSet = ByteWriter.image().bytes

    private func expectImage(_ header: HeaderAttributes, _ flags: HeaderFlags) {
        #expect(header[.sopInstanceUID] == "1.2.3.4.5")
        #expect(header[.patientName] == "Smith^Rex")
        #expect(header[.columns] == "300")
        #expect(header.flags == flags)
    }

    @Test("A Part 10 file is read without any flag")
    func part10() throws {
        let header = try read(ByteWriter.file(dataSet))
        expectImage(header, [])
        #expect(header[.transferSyntaxUID] == ByteWriter.explicitLittleUID)
        #expect(!header.isMediaStorageDirectory)
    }

    @Test("A file may begin with group 0002")
    func noPreamble() throws {
        expectImage(try read(ByteWriter.meta(ByteWriter.explicitLittleUID) + dataSet), .noPreamble)
    }

    @Test("A file may begin with the letters DICM")
    func markAtStart() throws {
        let file = Array("DICM".utf8) + ByteWriter.meta(ByteWriter.explicitLittleUID) + dataSet
        expectImage(try read(file), .noPreamble)
    }

    @Test("Group 0002 may be missing")
    func noMeta() throws {
        let header = try read(ByteWriter.preamble + dataSet)
        expectImage(header, .noFileMetaInformation)
        #expect(header[.transferSyntaxUID] == nil)
    }

    @Test(
        "A preamble is usual when it is empty or the beginning of a TIFF file",
        arguments: [
            ([0x49, 0x49, 0x2A, 0x00, 0x08], []), ([0x4D, 0x4D, 0x00, 0x2A], []),
            ([0x4D, 0x5A, 0x90, 0x00], .unusualPreamble),
            ([0x7F, 0x45, 0x4C, 0x46], .unusualPreamble),
            ([UInt8](repeating: 0, count: 127) + [1], .unusualPreamble),
        ] as [([UInt8], HeaderFlags)])
    func preambles(beginning: [UInt8], flags: HeaderFlags) throws {
        var file = ByteWriter.file(dataSet)
        file.replaceSubrange(0..<beginning.count, with: beginning)
        expectImage(try read(file), flags)
    }

    @Test("A wrong group length is not believed", arguments: [0, 7, 26, 4000, UInt32.max])
    func wrongGroupLength(length: UInt32) throws {
        var file = ByteWriter.file(dataSet)
        for byte in 0..<4 {
            file[140 + byte] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(byte)))
        }
        expectImage(try read(file), [])
    }

    @Test("The group length may be missing")
    func noGroupLength() throws {
        let meta = Array(ByteWriter.meta(ByteWriter.explicitLittleUID).dropFirst(12))
        expectImage(try read(ByteWriter.preamble + meta + dataSet), [])
    }

    @Test("Group 0002 may be in implicit VR")
    func implicitMeta() throws {
        var meta = ByteWriter(.implicitLittle)
        meta.add(0x0002, 0x0000, "UL", [26, 0, 0, 0])
        meta.add(0x0002, 0x0010, "UI", ByteWriter.explicitLittleUID)
        for start in [ByteWriter.preamble, []] {
            let header = try read(start + meta.bytes + dataSet)
            expectImage(header, start.isEmpty ? .noPreamble : [])
            #expect(header[.transferSyntaxUID] == ByteWriter.explicitLittleUID)
        }
    }

    @Test("The transfer syntax may be missing", arguments: ByteWriter.Encoding.allCases)
    func noTransferSyntax(encoding: ByteWriter.Encoding) throws {
        let header = try read(ByteWriter.file(nil, ByteWriter.image(encoding).bytes))
        expectImage(header, [])
        #expect(header[.transferSyntaxUID] == nil)
    }

    @Test("A cut within group 0002 is an error that says where")
    func truncatedMeta() throws {
        let file = ByteWriter.file(dataSet)
        let end = 132 + ByteWriter.meta(ByteWriter.explicitLittleUID).count
        for length in 133..<end {
            let error = try #require(readError(Array(file[..<length])))
            #expect([.truncatedMeta, .noDataSet].contains(error.code), "cut at \(length)")
            #expect(error.offset >= 132 && error.offset <= length)
        }
        let cut = try #require(readError(Array(file[..<170])))
        #expect(cut.tagPath == "(0002,0002)")
        #expect(cut.code == .truncatedMeta)
    }

    @Test("A file that ends after DICM or after group 0002 has no data set")
    func noDataSet() {
        #expect(readError(ByteWriter.preamble)?.code == .noDataSet)
        #expect(readError(ByteWriter.preamble)?.offset == 132)
        #expect(readError(ByteWriter.file([]))?.code == .noDataSet)
    }

    @Test("A DICOMDIR is recognised by its class or by its records", arguments: [true, false])
    func directory(byClass: Bool) throws {
        var records = ByteWriter()
        records.add(0x0004, 0x1130, "CS", "DISK1")
        if !byClass { records.sequence(0x0004, 0x1220, isUndefined: false, items: [dataSet]) }
        let meta = ByteWriter.meta(
            ByteWriter.explicitLittleUID, sopClass: byClass ? "1.2.840.10008.1.3.10" : "1.2.3")
        let header = try read(ByteWriter.preamble + meta + records.bytes)
        #expect(header.isMediaStorageDirectory)
        #expect(header[.patientName] == nil)
        #expect(header.flags == [])
    }

    @Test("The records of a DICOMDIR are not walked through")
    func directoryRecords() throws {
        var records = ByteWriter()
        records.sequence(
            0x0004, 0x1220, isUndefined: true, items: [[UInt8]](repeating: dataSet, count: 1000))
        let bytes = ByteWriter.meta(ByteWriter.explicitLittleUID) + records.bytes
        let source = GuardedSource(ByteWriter.preamble + bytes)
        var reader = HeaderReader()
        #expect(try reader.read(source).isMediaStorageDirectory)
        #expect(source.requested == 4096)
    }

    @Test("The class of a DICOMDIR must be that and no longer one")
    func longerClass() throws {
        let meta = ByteWriter.meta(ByteWriter.explicitLittleUID, sopClass: "1.2.840.10008.1.3.101")
        #expect(try !read(ByteWriter.preamble + meta + dataSet).isMediaStorageDirectory)
    }
}
