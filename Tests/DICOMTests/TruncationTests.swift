import TestSupport
import DICOM
import Testing

@Suite("Truncated files")
struct TruncationTests {
    private func cut(_ file: [UInt8]) throws -> Truncation? {
        var reader = HeaderReader()
        let source = GuardedSource(file)
        _ = try reader.read(source)
        return try reader.truncation(of: source)
    }

    @Test("Wherever a copy of an image ends, that is noticed", arguments: [false, true])
    func everywhere(isCompressed: Bool) throws {
        var writer = ByteWriter.image()
        writer.sequence(0x0040, 0x0275, isUndefined: true, items: [[], []])
        if isCompressed {
            writer.head(0x7FE0, 0x0010, "OB", .max)
            for length in [UInt32(0), 3000, 4000] {
                writer.bytes +=
                    [0xFE, 0xFF, 0x00, 0xE0]
                    + (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
                writer.bytes += [UInt8](repeating: 7, count: Int(length))
            }
            writer.bytes += [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]
        } else {
            writer.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 7, count: 10_000))
        }
        let file = ByteWriter.file(writer.bytes)
        #expect(try cut(file) == nil)
        // Anything may follow the pixels.
        #expect(try cut(file + [1, 2, 3]) == nil)
        let pixels = file.count - (isCompressed ? 7044 : 10_012)
        for length in stride(from: pixels + 1, to: file.count, by: 97) {
            let found = try cut(Array(file.prefix(length)))
            #expect(found != nil, "\(length) of \(file.count)")
            if length >= pixels + 12 {
                #expect(found?.isInPixels == true)
                #expect(
                    found?.bytes == UInt64(length - pixels - 12)
                        && found?.length == (isCompressed ? nil : 10_000))
            }
        }
        // An end between two elements cannot be noticed, except by zeros after it, which a file
        // system shows for bytes that it has lost.
        var unnoticed = 0
        for length in ByteWriter.file(ByteWriter.image().bytes).count...pixels {
            let half = Array(file.prefix(length))
            if try cut(half) == nil { unnoticed += 1 }
            #expect(
                try cut(half + [UInt8](repeating: 0, count: 5000)) != nil,
                "\(length) of \(file.count), and zeros")
        }
        #expect(unnoticed == 2)
        #expect(
            try cut(Array(file.prefix(pixels)) + [UInt8](repeating: 0, count: 5000))?.lacksPixels
                == true)
    }

    @Test(
        "Pixels may lack their pad byte, and other objects have other content than pixels")
    func otherContent() throws {
        var writer = ByteWriter.image()
        writer.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 7, count: 1000))
        let file = ByteWriter.file(writer.bytes)
        #expect(try cut(Array(file.dropLast())) == nil)
        #expect(try cut(Array(file.dropLast(2)))?.bytes == 998)
        for (group, element, vr) in [
            (0x5600, 0x0020, "OF"), (0x0028, 0x7FE0, "UR"), (0x7FE1, 0x1010, "OB"),
        ] as [(UInt16, UInt16, String)] {
            var writer = ByteWriter.image()
            writer.add(group, element, vr, [UInt8](repeating: 0x41, count: 400))
            #expect(try cut(ByteWriter.file(writer.bytes)) == nil)
        }
    }

    @Test("Without pixels the last element decides; bytes that make no sense do not")
    func noPixels() throws {
        var writer = ByteWriter.image()
        writer.add(0x0042, 0x0011, "OB", [UInt8](repeating: 7, count: 5000))
        let file = ByteWriter.file(writer.bytes)
        #expect(try cut(file) == nil)
        #expect(try cut(file + [UInt8](repeating: 0, count: 100)) == nil)
        for end in ["something else altogether", "\n", "\r\n\r\n", "1234567"] {
            #expect(try cut(file + Array(end.utf8)) == nil)
        }
        let found = try cut(Array(file.dropLast()))
        #expect(
            found?.tag == Tag(0x0042, 0x0011) && found?.bytes == 4999 && found?.length == 5000
                && found?.isInPixels == false)
    }

    @Test(
        "A deflated data set is whole when its stream ends",
        .enabled(if: Corpus.shared != nil, Corpus.isAbsent))
    func deflated() throws {
        let corpus = try #require(Corpus.shared)
        let file = try Files.read(corpus.root + "/samples/pydicom/test_files/image_dfl.dcm")
        #expect(try cut(file) == nil)
        #expect(try cut(Array(file.dropLast(2000))) != nil)
    }
}
