import SyntheticStudy
import CZlib
import DICOM
import Testing

@Suite("Transfer syntaxes")
struct TransferSyntaxTests {
    private static let honest: [(String, ByteWriter.Encoding)] = [
        (ByteWriter.explicitLittleUID, .explicitLittle),
        (ByteWriter.explicitBigUID, .explicitBig),
        (ByteWriter.implicitLittleUID, .implicitLittle),
        ("1.2.840.10008.1.2.4.50", .explicitLittle),
        ("1.2.840.10008.1.2.5", .explicitLittle),
        ("1.2.826.0.1.9999.1", .explicitLittle),
        ("1.2.826.0.1.9999.1", .implicitLittle),
    ]

    private func expectImage(_ header: HeaderAttributes, _ flags: HeaderFlags) {
        #expect(header[.sopClassUID] == "1.2.840.10008.5.1.4.1.1.2")
        #expect(header[.patientID] == "1234")
        #expect(header[.rows] == "512")
        #expect(header[.columns] == "300")
        #expect(header.flags == flags)
    }

    @Test("Data sets are read as declared", arguments: honest)
    func declared(uid: String, encoding: ByteWriter.Encoding) throws {
        let header = try read(ByteWriter.file(uid, ByteWriter.image(encoding).bytes))
        expectImage(header, [])
        #expect(header[.transferSyntaxUID] == uid)
    }

    @Test(
        "A transfer syntax that lies is overruled by the bytes",
        arguments: [
            (ByteWriter.explicitLittleUID, ByteWriter.Encoding.explicitBig),
            (ByteWriter.explicitLittleUID, .implicitLittle),
            (ByteWriter.explicitBigUID, .explicitLittle),
            (ByteWriter.explicitBigUID, .implicitLittle),
            (ByteWriter.implicitLittleUID, .explicitLittle),
            (ByteWriter.implicitLittleUID, .explicitBig),
            (ByteWriter.deflatedUID, .explicitLittle),
            (ByteWriter.deflatedUID, .implicitLittle),
            ("1.2.840.10008.1.2.4.90", .implicitLittle),
        ])
    func lies(uid: String, encoding: ByteWriter.Encoding) throws {
        let header = try read(ByteWriter.file(uid, ByteWriter.image(encoding).bytes))
        expectImage(header, .wrongTransferSyntax)
        #expect(header[.transferSyntaxUID] == uid)
    }

    @Test("A bare data set is read in whatever encoding", arguments: ByteWriter.Encoding.allCases)
    func bare(encoding: ByteWriter.Encoding) throws {
        let header = try read(ByteWriter.image(encoding).bytes)
        expectImage(header, [.noPreamble, .noFileMetaInformation])
    }

    private static let foreign: [String: [UInt8]] = [
        "letter": Array("This is a letter about Rex, whose X-ray is attached.\n".utf8),
        "long text": Array(String(repeating: "text ", count: 2000).utf8),
        "zeros": [UInt8](repeating: 0, count: 5000),
        "ones": [UInt8](repeating: 0xFF, count: 5000),
        "one byte": [8], "half a tag": [8, 0],
        "one empty element": [8, 0, 5, 0, 0, 0, 0, 0],
        "PNG": [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0x0D] + [UInt8](0...255),
        "JPEG": [0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10, 0x4A, 0x46] + [UInt8](repeating: 7, count: 999),
        "ZIP": [0x50, 0x4B, 3, 4, 0x14, 0, 0, 0, 8, 0] + [UInt8](0...255),
        "tag and text": [0x08, 0, 0x08, 0] + Array("{\"json\": true, \"pages\": [1, 2, 3]}".utf8),
        "beginning like group 0002": [2, 0, 0, 0] + [UInt8](repeating: 3, count: 300),
        "small numbers": (0..<4000).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8), 0, 0] },
    ]

    @Test("What is not DICOM is never taken for a bare data set", arguments: foreign.keys.sorted())
    func notDICOM(name: String) throws {
        let bytes = try #require(Self.foreign[name])
        let error = try #require(readError(bytes))
        #expect(error.code == .notDICOM)
        #expect(error.description.contains("DICOM"))
    }

    @Test("Random bytes are never taken for DICOM")
    func randomBytes() {
        var random = SeededRandom(seed: 3)
        for _ in 0..<2000 {
            var bytes = (0..<600).map { _ in UInt8.random(in: 0...255, using: &random) }
            bytes.replaceSubrange(0..<2, with: [8, 0])
            #expect(readError(bytes)?.code == .notDICOM)
        }
    }

    @Test("A deflated data set is inflated", arguments: [false, true])
    func deflated(inZlibFrame: Bool) throws {
        let stream = deflate(ByteWriter.image().bytes, inZlibFrame: inZlibFrame)
        let header = try read(ByteWriter.file(ByteWriter.deflatedUID, stream))
        expectImage(header, [])
        #expect(header.pixelDataOffset == nil)
    }

    @Test("A deflated DICOMDIR is recognised")
    func deflatedDirectory() throws {
        var records = ByteWriter()
        records.sequence(0x0004, 0x1220, isUndefined: true, items: [ByteWriter.image().bytes])
        let stream = deflate(records.bytes, inZlibFrame: false)
        #expect(try read(ByteWriter.file(ByteWriter.deflatedUID, stream)).isMediaStorageDirectory)
    }

    @Test("A deflated data set may begin with a stored block")
    func storedBlock() throws {
        let data = ByteWriter.image().bytes
        let (low, high) = (UInt8(data.count & 0xFF), UInt8(data.count >> 8))
        let header = try read(
            ByteWriter.file(ByteWriter.deflatedUID, [1, low, high, ~low, ~high] + data))
        expectImage(header, [])
    }

    @Test("Of a deflated data set only the header is inflated")
    func deflatedHeaderOnly() throws {
        var data = ByteWriter.image()
        var noise = SeededRandom(seed: 1)
        data.add(
            0x7FE0, 0x0010, "OW",
            (0..<2_000_000).map { _ in UInt8.random(in: 0...255, using: &noise) })
        let source = GuardedSource(
            ByteWriter.file(ByteWriter.deflatedUID, deflate(data.bytes, inZlibFrame: false)))
        var reader = HeaderReader()
        expectImage(try reader.read(source), [])
        #expect(source.requested < 200_000)
    }

    @Test("A long value before the wanted ones is inflated and dropped")
    func longDeflatedValue() throws {
        var data = ByteWriter()
        data.add(0x0008, 0x0018, "UI", "1.2.3")
        data.add(0x0009, 0x1010, "OB", [UInt8](repeating: 1, count: 3_000_000))
        data.add(0x0010, 0x0020, "LO", "4711")
        let header = try read(
            ByteWriter.file(ByteWriter.deflatedUID, deflate(data.bytes, inZlibFrame: false)))
        #expect(header[.patientID] == "4711")
        #expect(header.flags == [])
    }

    @Test("A deflate bomb is given up after 16 MiB")
    func bomb() throws {
        var data = ByteWriter()
        data.add(0x0009, 0x1010, "OB", [UInt8](repeating: 0, count: 40_000_000))
        let file = ByteWriter.file(ByteWriter.deflatedUID, deflate(data.bytes, inZlibFrame: false))
        let error = try #require(readError(file))
        #expect(error.code == .deflateTooLong)
        #expect(error.offset <= file.count)
    }

    @Test("Corrupt or cut deflated data keep what came before, or are an error")
    func corruptDeflate() throws {
        var data = ByteWriter()
        data.add(0x0008, 0x0018, "UI", "1.2.3")
        var noise = SeededRandom(seed: 2)
        data.add(
            0x0009, 0x1010, "OB", (0..<90_000).map { _ in UInt8.random(in: 0...255, using: &noise) }
        )
        data.add(0x0010, 0x0020, "LO", "4711")
        let stream = deflate(data.bytes, inZlibFrame: false)
        let cut = try read(ByteWriter.file(ByteWriter.deflatedUID, Array(stream[..<50_000])))
        #expect(cut[.sopInstanceUID] == "1.2.3")
        #expect(cut[.patientID] == nil)
        #expect(cut.flags == .truncated)
        let garbage = try #require(
            readError(ByteWriter.file(ByteWriter.deflatedUID, [UInt8](repeating: 0xFF, count: 99))))
        #expect(garbage.code == .deflateCorrupt)
    }

    private func deflate(_ bytes: [UInt8], inZlibFrame: Bool) -> [UInt8] {
        var stream = z_stream()
        let bits = inZlibFrame ? MAX_WBITS : -MAX_WBITS
        deflateInit2_(
            &stream, 9, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        defer { deflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: bytes.count + 1000)
        let size = output.count
        input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(size)
                #expect(CZlib.deflate(&stream, Z_FINISH) == Z_STREAM_END)
            }
        }
        return Array(output[..<(size - Int(stream.avail_out))])
    }
}
