import DICOM
import DICOMSupport
import Testing

@Suite("How much of a file is read")
struct ReadingTests {
    @Test("Of an image only the beginning is read, and never its pixels")
    func image() throws {
        var writer = ByteWriter.image()
        writer.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 1, count: 1_000_000))
        let file = ByteWriter.file(writer.bytes)
        let source = GuardedSource(file)
        var reader = HeaderReader()
        let header = try reader.read(source)
        #expect(source.requests == 1)
        #expect(source.requested == 4096)
        let offset = try #require(header.pixelDataOffset)
        #expect(Array(file[Int(offset)..<Int(offset) + 4]) == [0xE0, 0x7F, 0x10, 0x00])
    }

    @Test("Long values are skipped")
    func longValues() throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        for element in 0..<20 {
            writer.add(
                0x0009, 0x1000 + UInt16(element), "OB", [UInt8](repeating: 1, count: 1_000_000))
        }
        writer.add(0x0010, 0x0020, "LO", "1234")
        let source = GuardedSource(ByteWriter.file(writer.bytes))
        var reader = HeaderReader()
        #expect(try reader.read(source)[.patientID] == "1234")
        #expect(source.requested <= 21 * 4096)
    }

    @Test("A header of many small elements is read once, in growing steps")
    func manyElements() throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        for element in 0..<60_000 as Range<UInt16> { writer.add(0x0009, element, "LO", "abcdefgh") }
        writer.add(0x0010, 0x0020, "LO", "1234")
        let file = ByteWriter.file(writer.bytes)
        let source = GuardedSource(file)
        var reader = HeaderReader()
        #expect(try reader.read(source)[.patientID] == "1234")
        #expect(source.requested == file.count)
        #expect(source.requests < 25)
    }

    @Test("Elements that straddle two reads are whole", arguments: 4060..<4110)
    func straddling(filler: Int) throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        let used = ByteWriter.file(writer.bytes).count + 12
        writer.add(0x0009, 0x1000, "OB", [UInt8](repeating: 1, count: filler - used))
        writer.add(0x0010, 0x0010, "UT", "Smith^Rex")
        writer.sequence(0x0010, 0x0101, isUndefined: true, items: [[], []])
        writer.add(0x0020, 0x0013, "IS", "7")
        var reader = HeaderReader()
        let header = try reader.read(GuardedSource(ByteWriter.file(writer.bytes)))
        #expect(header[.patientName] == "Smith^Rex")
        #expect(header[.instanceNumber] == "7")
        #expect(header.flags == [])
    }

    @Test("Truncated pixels are noticed when their beginning was read")
    func cutPixels() throws {
        var writer = ByteWriter.image()
        writer.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 1, count: 10_000))
        let file = ByteWriter.file(writer.bytes)
        #expect(try read(file).flags == [])
        #expect(try read(Array(file.dropLast(2))).flags == .pixelDataTruncated)
    }

    @Test("Tables of offsets before the pixels are not the pixels")
    func offsetTables() throws {
        var writer = ByteWriter.image()
        writer.add(0x7FE0, 0x0001, "OV", [UInt8](repeating: 0, count: 16))
        writer.add(0x7FE0, 0x0002, "OV", [UInt8](repeating: 0, count: 16))
        let pixels = ByteWriter.file(writer.bytes).count
        writer.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 1, count: 100))
        let file = ByteWriter.file(writer.bytes)
        #expect(try read(file).pixelDataOffset == UInt64(pixels))
        #expect(try read(Array(file.dropLast(2))).flags == .pixelDataTruncated)
        let withoutPixels = try read(Array(file.prefix(pixels - 2)))
        #expect(withoutPixels.pixelDataOffset == nil)
        #expect(withoutPixels.flags == .truncated)
    }

    @Test("PixelData before the last wanted element ends the header")
    func pixelsEarly() throws {
        var writer = ByteWriter()
        writer.add(0x0008, 0x0018, "UI", "1.2.3")
        writer.head(0x7FE0, 0x0010, "OB", .max)
        let header = try read(ByteWriter.file(writer.bytes))
        #expect(header.pixelDataOffset == UInt64(ByteWriter.file(writer.bytes).count - 12))
        #expect(header.flags == [])
    }

    @Test("A medium that fails is an error even after the image is identified")
    func failingMedium() throws {
        var writer = ByteWriter.image()
        let file = ByteWriter.file(writer.bytes)
        writer.bytes = []
        var long = ByteWriter()
        long.add(0x0008, 0x0018, "UI", "1.2.3")
        long.add(0x0009, 0x1000, "OB", [UInt8](repeating: 1, count: 100_000))
        long.add(0x0010, 0x0020, "LO", "1234")
        for (bytes, bad) in [(file, 0), (ByteWriter.file(long.bytes), 50_000)] {
            var reader = HeaderReader()
            do throws(ReadError) {
                _ = try reader.read(FailingSource(bytes: bytes, bad: bad))
                Issue.record("no error")
            } catch {
                #expect(error.code == .io)
                #expect(error.message == "bad sector")
            }
        }
    }

    @Test("An empty file says so")
    func empty() throws {
        let error = try #require(readError([]))
        #expect(error.code == .empty)
        #expect(error.offset == 0)
        #expect(error.description.contains("empty"))
    }

    @Test("A reader can move to another task")
    func sendable() async throws {
        let bytes = ByteWriter.file(ByteWriter.image().bytes)
        let name = try await Task {
            var reader = HeaderReader()
            return try reader.read(BufferSource(bytes))[.patientName]
        }.value
        #expect(name == "Smith^Rex")
        func requireSendable<T: Sendable & ~Copyable>(_: borrowing T) {}
        requireSendable(HeaderReader())
    }
}
