import DICOM
import DICOMSupport
import Testing

@Suite("Values")
struct ValueTests {
    private func header(
        _ encoding: ByteWriter.Encoding = .explicitLittle, _ build: (inout ByteWriter) -> Void
    ) throws(ReadError) -> HeaderAttributes {
        var writer = ByteWriter(encoding)
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        build(&writer)
        let uids: [ByteWriter.Encoding: String] = [
            .explicitLittle: ByteWriter.explicitLittleUID, .explicitBig: ByteWriter.explicitBigUID,
            .implicitLittle: ByteWriter.implicitLittleUID,
        ]
        return try read(ByteWriter.file(uids[encoding], writer.bytes))
    }

    @Test("An empty element is empty, a missing one absent")
    func emptyAndAbsent() throws {
        let header = try header { $0.add(0x0010, 0x0020, "LO", "") }
        #expect(header[.patientID] == "")
        #expect(header[.patientName] == nil)
        #expect(header.withUTF8(.patientID) { $0.count } == 0)
        #expect(header.withUTF8(.patientName) { $0.count } == nil)
    }

    @Test("Padding at the end goes, spaces at the start and between values stay")
    func padding() throws {
        let header = try header {
            $0.add(0x0008, 0x0008, "CS", "ORIGINAL\\PRIMARY \\AXIAL   ")
            $0.add(0x0008, 0x0080, "LO", Array("  North Clinic \0 \0".utf8))
            $0.add(0x0010, 0x0020, "LO", "    ")
        }
        #expect(header[.imageType] == "ORIGINAL\\PRIMARY \\AXIAL")
        #expect(header[.institutionName] == "  North Clinic")
        #expect(header[.patientID] == "")
    }

    @Test("UTF-8 can be had without a string")
    func rawAccess() throws {
        let header = try header { $0.add(0x0010, 0x0020, "LO", "1234") }
        #expect(header.withUTF8(.patientID) { Array($0) } == Array("1234".utf8))
    }

    @Test(
        "Rows and columns are numbers in every byte order", arguments: ByteWriter.Encoding.allCases)
    func numbers(encoding: ByteWriter.Encoding) throws {
        let header = try header(encoding) {
            $0.add(0x0028, 0x0010, number: 0)
            $0.add(0x0028, 0x0011, number: 65535)
        }
        #expect(header[.rows] == "0")
        #expect(header[.columns] == "65535")
        #expect(header.flags == [])
    }

    @Test("Numbers with another value representation are read by it")
    func otherNumbers() throws {
        let header = try header {
            $0.add(0x0020, 0x0011, "SL", [0xFE, 0xFF, 0xFF, 0xFF])
            $0.add(0x0020, 0x0013, "US", [7, 0])
            $0.add(0x0028, 0x0008, "UL", [0, 0, 1, 0])
            $0.add(0x0028, 0x0010, "IS", "512 ")
            $0.add(0x0028, 0x0011, "SS", [0xFF, 0xFF])
        }
        #expect(header[.seriesNumber] == "-2")
        #expect(header[.instanceNumber] == "7")
        #expect(header[.numberOfFrames] == "65536")
        #expect(header[.rows] == "512")
        #expect(header[.columns] == "-1")
    }

    @Test("Numbers of a wrong size are marked")
    func wrongSize() throws {
        let header = try header {
            $0.add(0x0028, 0x0010, "US", [1])
            $0.add(0x0028, 0x0011, "US", [1, 0, 2, 0])
        }
        #expect(header[.rows] == "")
        #expect(header[.columns] == "1\\2")
        #expect(header.flags == .invalidValue)
    }

    @Test("UN and OB are read as what the attribute should be")
    func unknownVR() throws {
        let header = try header {
            $0.add(0x0010, 0x0010, "UN", "Smith^Rex")
            $0.add(0x0010, 0x0020, "OB", "1234")
            $0.add(0x0028, 0x0010, "UN", [0, 2])
        }
        #expect(header[.patientName] == "Smith^Rex")
        #expect(header[.patientID] == "1234")
        #expect(header[.rows] == "512")
        #expect(header.flags == [])
    }

    @Test("A sequence or floating point number in place of text is left out")
    func notText() throws {
        let header = try header {
            $0.sequence(0x0010, 0x0010, isUndefined: false, items: [[]])
            $0.add(0x0010, 0x0020, "FD", [UInt8](repeating: 0x41, count: 8))
            $0.add(0x0020, 0x0013, "IS", "7")
        }
        #expect(header[.patientName] == nil)
        #expect(header[.patientID] == nil)
        #expect(header[.instanceNumber] == "7")
        #expect(header.flags == .invalidValue)
    }

    @Test("A value longer than 64 KiB is cut off")
    func longText() throws {
        let header = try header {
            $0.add(0x0010, 0x0020, "UT", String(repeating: "x", count: 200_000))
            $0.add(0x0020, 0x0013, "IS", "7")
        }
        #expect(header[.patientID] == String(repeating: "x", count: 65536))
        #expect(header[.instanceNumber] == "7")
        #expect(header.flags == .invalidValue)
    }

    @Test("Letters outside ASCII in a code are kept and marked")
    func codes() throws {
        let header = try header {
            $0.add(0x0008, 0x0005, "CS", "ISO_IR 192")
            $0.add(0x0008, 0x0060, "CS", [0xC3, 0xBC])
            $0.add(0x0010, 0x0040, "CS", [0xFC, 0x20])
        }
        #expect(header[.modality] == "ü")
        #expect(header[.patientSex] == "ü")
        #expect(header.flags == .invalidValue)
    }

    @Test("A reader forgets one file before the next")
    func reuse() throws {
        var reader = HeaderReader()
        var first = ByteWriter.image()
        first.bytes = ByteWriter.file(first.bytes)
        #expect(try reader.read(BufferSource(first.bytes))[.patientName] == "Smith^Rex")
        var second = ByteWriter()
        second.add(0x0008, 0x0018, "UI", "7.7")
        let header = try reader.read(BufferSource(ByteWriter.preamble + second.bytes))
        #expect(header[.patientName] == nil)
        #expect(header[.transferSyntaxUID] == nil)
        #expect(header.flags == .noFileMetaInformation)
    }
}
