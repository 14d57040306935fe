import DICOM
import Testing

@Suite("Sequences")
struct SequenceTests {
    /// An item with attributes that must not be taken for those of the data set.
    private func decoy(_ encoding: ByteWriter.Encoding) -> [UInt8] {
        var item = ByteWriter(encoding)
        item.add(0x0008, 0x0018, "UI", "9.9.9")
        item.add(0x0010, 0x0010, "PN", "Wrong^Animal")
        item.add(0x0020, 0x000E, "UI", "8.8.8")
        return item.bytes
    }

    private func expectImage(_ header: HeaderAttributes) {
        #expect(header[.sopInstanceUID] == "1.2.3.4.5")
        #expect(header[.patientName] == "Smith^Rex")
        #expect(header[.columns] == "300")
        #expect(header.flags == [])
    }

    private static let uids: [ByteWriter.Encoding: String] = [
        .explicitLittle: ByteWriter.explicitLittleUID, .explicitBig: ByteWriter.explicitBigUID,
        .implicitLittle: ByteWriter.implicitLittleUID,
    ]

    /// A file with `sequence` in front of the elements of an image.
    private func file(_ sequence: ByteWriter) -> [UInt8] {
        ByteWriter.file(
            Self.uids[sequence.encoding], sequence.bytes + ByteWriter.image(sequence.encoding).bytes
        )
    }

    @Test(
        "Nested attributes never stand for those of the data set",
        arguments: ByteWriter.Encoding.allCases, [true, false])
    func nested(encoding: ByteWriter.Encoding, isUndefined: Bool) throws {
        var inner = ByteWriter(encoding)
        inner.sequence(0x0008, 0x1199, isUndefined: isUndefined, items: [decoy(encoding)])
        inner.bytes += decoy(encoding)
        var writer = ByteWriter(encoding)
        writer.sequence(
            0x0008, 0x0006, isUndefined: isUndefined, items: [inner.bytes, [], decoy(encoding)])
        expectImage(try read(file(writer)))
    }

    @Test("UN of undefined length has items in implicit VR")
    func unknownSequence() throws {
        var writer = ByteWriter()
        writer.sequence(
            0x0007, 0x1001, vr: "UN", isUndefined: true, items: [decoy(.implicitLittle)])
        expectImage(try read(file(writer)))
    }

    @Test("UN of undefined length with items in explicit VR, against the standard, is read too")
    func explicitInUnknown() throws {
        var item = ByteWriter()
        item.sequence(0x0008, 0x1140, isUndefined: true, items: [decoy(.explicitLittle)])
        var writer = ByteWriter()
        writer.sequence(0x0007, 0x1001, vr: "UN", isUndefined: true, items: [item.bytes])
        expectImage(try read(file(writer)))
    }

    @Test("The lengths of delimiters are ignored")
    func delimiterLengths() throws {
        var writer = ByteWriter()
        writer.head(0x0008, 0x0006, "SQ", .max)
        writer.head(0xFFFE, 0xE000, "", .max)
        writer.bytes += decoy(.explicitLittle)
        writer.head(0xFFFE, 0xE00D, "", 4)
        writer.head(0xFFFE, 0xE0DD, "", 0x1234)
        expectImage(try read(file(writer)))
    }

    @Test("Missing delimiters of items and sequences do no harm")
    func missingDelimiters() throws {
        var items = ByteWriter()
        items.head(0x0008, 0x0006, "SQ", .max)
        items.head(0xFFFE, 0xE000, "", .max)
        items.bytes += decoy(.explicitLittle)
        items.head(0xFFFE, 0xE000, "", .max)
        items.bytes += decoy(.explicitLittle)
        items.head(0xFFFE, 0xE0DD, "", 0)
        expectImage(try read(file(items)))
        var sequence = ByteWriter()
        sequence.head(0x0008, 0x0006, "SQ", .max)
        sequence.add(0xFFFE, 0xE000, "", decoy(.explicitLittle))
        expectImage(try read(file(sequence)))
    }

    @Test("A delimiter too many is skipped")
    func strayDelimiter() throws {
        var writer = ByteWriter()
        writer.sequence(0x0008, 0x0006, isUndefined: true, items: [])
        writer.head(0xFFFE, 0xE0DD, "", 0)
        writer.head(0xFFFE, 0xE00D, "", 0)
        expectImage(try read(file(writer)))
    }

    @Test("Fragments of undefined length are skipped")
    func fragments() throws {
        var writer = ByteWriter()
        writer.head(0x0007, 0x1001, "OB", .max)
        writer.add(0xFFFE, 0xE000, "", [])
        writer.add(0xFFFE, 0xE000, "", [UInt8](repeating: 7, count: 20_000))
        writer.head(0xFFFE, 0xE0DD, "", 0)
        expectImage(try read(file(writer)))
    }

    /// `levels` sequences of undefined length, each in the item of the one before.
    private func nest(_ levels: Int) -> ByteWriter {
        var writer = ByteWriter()
        for _ in 0..<levels {
            writer.head(0x0008, 0x0006, "SQ", .max)
            writer.head(0xFFFE, 0xE000, "", .max)
        }
        for _ in 0..<levels {
            writer.head(0xFFFE, 0xE00D, "", 0)
            writer.head(0xFFFE, 0xE0DD, "", 0)
        }
        return writer
    }

    @Test("Sequences may be nested 64 levels deep and no deeper")
    func depth() throws {
        expectImage(try read(file(nest(HeaderReader.deepestNesting))))
        let error = try #require(readError(file(nest(HeaderReader.deepestNesting + 1))))
        #expect(error.code == .nestingTooDeep)
        #expect(error.tagPath?.hasPrefix("(0008,0006)[0].(0008,0006)[0].") == true)
        #expect(error.offset > 132 + 64 * 20)
        let hostile = try #require(readError(file(nest(200_000))))
        #expect(hostile.code == .nestingTooDeep)
    }

    @Test("What lies too deep after the image is identified only marks it")
    func deepAfterIdentity() throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0005, "CS", "ISO_IR 100")
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        let header = try read(ByteWriter.file(writer.bytes + nest(70).bytes))
        #expect(header[.sopInstanceUID] == "1.2.3")
        #expect(header.flags == .truncated)
    }

    @Test("An error within items names the way to the element")
    func tagPath() throws {
        var item = ByteWriter()
        item.add(0x0008, 0x1150, "UI", "1.2.3")
        item.head(0x0020, 0x000E, "UI", 60)
        var writer = ByteWriter()
        writer.head(0x0008, 0x0006, "SQ", .max)
        writer.add(0xFFFE, 0xE000, "", decoy(.explicitLittle))
        writer.head(0xFFFE, 0xE000, "", .max)
        writer.bytes += item.bytes
        let file = ByteWriter.file(writer.bytes)
        let error = try #require(readError(file))
        #expect(error.tagPath == "(0008,0006)[1].(0020,000E)")
        #expect(error.offset == file.count - 8)
        #expect(error.code == .badLength)
        #expect(error.description.contains("(0008,0006)[1].(0020,000E)"))
    }
}
