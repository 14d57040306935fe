import DICOM
import Testing

@Suite("Lengths and value representations")
struct LengthTests {
    private func header(_ build: (inout ByteWriter) -> Void) throws(ReadError) -> HeaderAttributes {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        build(&writer)
        return try read(ByteWriter.file(writer.bytes))
    }

    @Test("Odd lengths are taken as they are")
    func odd() throws {
        let header = try header {
            $0.add(0x0008, 0x0060, "CS", Array("MR ".utf8))
            $0.add(0x0010, 0x0010, "PN", Array("Rex".utf8))
            $0.add(0x0010, 0x0020, "LO", Array("12345".utf8))
        }
        #expect(header[.modality] == "MR")
        #expect(header[.patientName] == "Rex")
        #expect(header[.patientID] == "12345")
        #expect(header.flags == [])
    }

    @Test("A pad byte that is not counted is skipped")
    func uncountedPad() throws {
        let header = try header {
            $0.add(0x0010, 0x0010, "PN", Array("Rex".utf8))
            $0.bytes.append(0x20)
            $0.add(0x0010, 0x0020, "LO", "1234")
            $0.add(0x0010, 0x0040, "CS", "F")
        }
        #expect(header[.patientName] == "Rex")
        #expect(header[.patientID] == "1234")
        #expect(header[.patientSex] == "F")
    }

    @Test(
        "Letters that are not a value representation do not stop reading",
        arguments: ["??", "pn", "Pn", "ZZ", "\0\0", "  ", "-1"])
    func badVR(letters: String) throws {
        let header = try header {
            $0.add(0x0008, 0x0060, "CS", "CT")
            $0.add(0x0010, 0x0010, letters, "Smith^Rex")
            $0.add(0x0010, 0x0020, "LO", "1234")
        }
        #expect(header[.patientName] == "Smith^Rex")
        #expect(header[.patientID] == "1234")
    }

    @Test("A new value representation has a length of 32 bits")
    func newVR() throws {
        let header = try header {
            $0.add(0x0009, 0x1001, "OZ", [6, 0, 0, 0] + Array("abcdef".utf8), length: 0)
            $0.add(0x0010, 0x0020, "LO", "1234")
        }
        #expect(header[.patientID] == "1234")
    }

    @Test("Implicit elements among explicit ones are read")
    func implicitAmidExplicit() throws {
        var implicit = ByteWriter(.implicitLittle)
        implicit.add(0x0010, 0x0010, "PN", "Smith^Rex")
        let header = try header {
            $0.bytes += implicit.bytes
            $0.add(0x0010, 0x0020, "LO", "1234")
        }
        #expect(header[.patientName] == "Smith^Rex")
        #expect(header[.patientID] == "1234")
    }

    @Test("Elements out of order are found, up to the last one wanted")
    func outOfOrder() throws {
        let header = try header {
            $0.add(0x0020, 0x0013, "IS", "7")
            $0.add(0x0010, 0x0020, "LO", "1234")
            $0.add(0x0008, 0x0060, "CS", "CT")
        }
        #expect(header[.instanceNumber] == "7")
        #expect(header[.patientID] == "1234")
        #expect(header[.modality] == "CT")
    }

    @Test("Of two elements with one tag the first counts")
    func duplicate() throws {
        let header = try header {
            $0.add(0x0010, 0x0020, "LO", "1")
            $0.add(0x0010, 0x0020, "LO", "2")
        }
        #expect(header[.patientID] == "1")
    }

    @Test("A length beyond the file ends reading and keeps what came before")
    func tooLong() throws {
        let header = try header {
            $0.add(0x0008, 0x0060, "CS", "CT")
            $0.head(0x0010, 0x0010, "PN", 0xFFF0)
            $0.add(0x0010, 0x0020, "LO", "1234")
        }
        #expect(header[.modality] == "CT")
        #expect(header[.patientName] == nil)
        #expect(header.flags == .truncated)
    }

    @Test("With nothing to identify it, a length beyond the file is an error")
    func tooLongUnidentified() throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0005, "CS", "ISO_IR 100")
        writer.head(0x0008, 0x0008, "CS", 4000)
        let file = ByteWriter.file(writer.bytes)
        let error = try #require(readError(file))
        #expect(error.code == .badLength)
        #expect(error.offset == file.count - 8)
        #expect(error.tagPath == "(0008,0008)")
    }

    @Test("An end anywhere in the data set keeps the elements before it")
    func cuts() throws {
        let image = ByteWriter.image().bytes
        let start = ByteWriter.file([]).count
        let whole = ByteWriter.file(image)
        let full = try read(whole)
        for length in start + 1..<whole.count {
            do throws(ReadError) {
                let header = try read(Array(whole[..<length]))
                for attribute in Attribute.allCases {
                    let value = header[attribute]
                    #expect(value == nil || value == full[attribute], "cut at \(length)")
                }
            } catch {
                #expect(error.offset <= length && length < start + 40, "cut at \(length)")
            }
        }
    }

    @Test("Padding and garbage after the data set do no harm", arguments: [true, false])
    func trailing(padding: Bool) throws {
        var writer = ByteWriter.image()
        if padding {
            writer.add(0xFFFC, 0xFFFC, "OB", [UInt8](repeating: 0, count: 500))
        } else {
            writer.bytes += [UInt8](repeating: 0xA5, count: 501)
        }
        let header = try read(ByteWriter.file(writer.bytes))
        #expect(header[.columns] == "300")
        #expect(header.flags == [])
    }

    @Test(
        "Zeros in place of elements are not read to their end",
        arguments: [ByteWriter.explicitLittleUID, ByteWriter.implicitLittleUID])
    func zeros(uid: String) throws {
        let file = ByteWriter.file(uid, [UInt8](repeating: 0, count: 1_000_000))
        let source = GuardedSource(file)
        var reader = HeaderReader()
        #expect(throws: ReadError.self) { try reader.read(source) }
        #expect(source.requested < 200_000)
    }
}
