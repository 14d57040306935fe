import DICOM
import Testing
import TestSupport

@Suite("Files that end oddly and are whole")
struct UnusualEndTests {
    private func end(
        _ file: [UInt8]
    ) throws -> (flags: HeaderFlags, truncation: Truncation?) {
        var reader = HeaderReader()
        let (header, truncation) = try reader.readUpToPixels(GuardedSource(file))
        return (header.flags, truncation)
    }

    private func expectWhole(
        _ file: [UInt8], _ what: String, at location: SourceLocation = #_sourceLocation
    ) throws {
        let (flags, truncation) = try end(file)
        #expect(truncation == nil, "\(what)", sourceLocation: location)
        #expect(flags == .unusualEnd, "\(what)", sourceLocation: location)
    }

    private func expectCut(
        _ file: [UInt8], _ what: String, at location: SourceLocation = #_sourceLocation
    ) throws {
        let (flags, truncation) = try end(file)
        #expect(truncation != nil, "\(what)", sourceLocation: location)
        #expect(!flags.contains(.unusualEnd), "\(what)", sourceLocation: location)
    }

    /// Compressed frames without a sequence delimitation item.
    private func compressed(
        frames: Int = 1, table: [UInt32] = [], syntax: String = "1.2.840.10008.1.2.4.50",
        _ fragments: [[UInt8]]
    ) -> [UInt8] {
        var writer = ByteWriter.image()
        if frames > 1 {
            // (0028,0008) comes before the rows.
            writer.bytes.removeLast(20)
            writer.add(0x0028, 0x0008, "IS", "\(frames)")
            writer.add(0x0028, 0x0010, number: 512)
            writer.add(0x0028, 0x0011, number: 300)
        }
        writer.head(0x7FE0, 0x0010, "OB", .max)
        var offsets = ByteWriter()
        for offset in table { offsets.add(offset) }
        for item in [offsets.bytes] + fragments { writer.add(0xFFFE, 0xE000, "", item) }
        return ByteWriter.file(syntax, writer.bytes)
    }

    private let plain = [UInt8](repeating: 0x11, count: 1000)
    private let jpeg = [0xFF, 0xD8] + [UInt8](repeating: 0x11, count: 994) + [0xFF, 0xD9, 0, 0]
    private let firstHalf = [0xFF, 0xD8] + [UInt8](repeating: 0x11, count: 998)
    private let otherHalf = [UInt8](repeating: 0x11, count: 996) + [0xFF, 0xD9, 0, 0]

    @Test("Compressed frames need no delimiter if every one has its end")
    func noDelimiter() throws {
        let whole = [
            ("one frame", compressed([plain])), ("JPEG", compressed([jpeg])),
            ("two halves", compressed([firstHalf, otherHalf])),
            ("three frames", compressed(frames: 3, [plain, plain, plain])),
            ("a table", compressed(frames: 2, table: [0, 1008], [plain, plain])),
            ("RLE", compressed(syntax: "1.2.840.10008.1.2.5", [plain])),
            ("a video", compressed(frames: 90, syntax: "1.2.840.10008.1.2.4.102", [plain])),
        ]
        for (what, file) in whole {
            try expectWhole(file, what)
            let ends: [[UInt8]] = [
                [0xFE, 0xFF, 0xDD, 0xE0, 0, 0], [0xFE], [0x0A],
                [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0],
                Array("            ".utf8), [0xFC, 0xFF, 0xFC, 0xFF, 0x4F, 0x42, 0, 0, 4, 0, 0, 0],
            ]
            for end in ends { try expectWhole(file + end, "\(what) and \(end)") }
            for zeros in [1, 7, 8, 12, 13, 500, 5000] {
                try expectWhole(
                    file + [UInt8](repeating: 0, count: zeros), "\(what) and \(zeros) zeros")
            }
            try expectWhole(Array(file.dropLast()), "\(what) without a pad byte")
            for missing in [2, 500, 1000, 1001, 1007, 1008] where what != "JPEG" || missing > 4 {
                try expectCut(Array(file.dropLast(missing)), "\(what) without \(missing)")
            }
        }
    }

    @Test("Frames that are missing are missed, also where the file ends after a fragment")
    func missingFrames() throws {
        let cut = [
            ("no fragment", compressed([])), ("one half", compressed([firstHalf])),
            ("two of three", compressed(frames: 3, [plain, plain])),
            (
                "two of three in halves",
                compressed(
                    frames: 3, [firstHalf, otherHalf, firstHalf, otherHalf])
            ),
            ("one of two in the table", compressed(table: [0, 1008], [plain])),
            ("a table beyond the end", compressed(frames: 2, table: [0, 2016], [plain, plain])),
        ]
        for (what, file) in cut {
            try expectCut(file, what)
            try expectCut(file + [0xFE, 0xFF], "\(what), and the beginning of an item")
            try expectCut(file + [UInt8](repeating: 0, count: 5000), "\(what), and zeros")
        }
    }

    private func report(_ encoding: ByteWriter.Encoding) -> ByteWriter {
        var writer = ByteWriter(encoding)
        writer.add(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.88.11")
        writer.add(0x0008, 0x0018, "UI", "1.2.3.4.5")
        writer.add(0x0010, 0x0020, "LO", "1234")
        writer.add(0x0020, 0x000D, "UI", "1.2.3")
        writer.add(0x0040, 0xA040, "CS", "CONTAINER")
        return writer
    }

    private func syntax(_ encoding: ByteWriter.Encoding) -> String {
        switch encoding {
        case .explicitLittle: ByteWriter.explicitLittleUID
        case .explicitBig: ByteWriter.explicitBigUID
        case .implicitLittle: ByteWriter.implicitLittleUID
        }
    }

    @Test(
        "Anything may follow a data set without pixels that is no element",
        arguments: ByteWriter.Encoding.allCases)
    func trailers(encoding: ByteWriter.Encoding) throws {
        let file = ByteWriter.file(syntax(encoding), report(encoding).bytes)
        #expect(try end(file).flags == [])
        for length in 1...40 {
            for byte in [0x00, 0x0A, 0x20, 0xFF] as [UInt8] {
                try expectWhole(
                    file + [UInt8](repeating: byte, count: length), "\(length) times \(byte)")
            }
        }
        for element in [0xE00D, 0xE0DD] as [UInt16] {
            var stray = ByteWriter(encoding)
            stray.head(0xFFFE, element, "", 0)
            try expectWhole(file + stray.bytes, "a stray delimiter")
            try expectWhole(file + stray.bytes + stray.bytes, "two stray delimiters")
            try expectWhole(file + stray.bytes.prefix(5), "the beginning of one")
        }
        var next = ByteWriter(encoding)
        next.add(0x0040, 0xA160, "UT", "It is a long text of a report")
        for length in 8..<next.bytes.count - 1 {
            try expectCut(file + next.bytes.prefix(length), "\(length) bytes of a text")
        }
        try expectWhole(file + next.bytes.dropLast(), "a text without its pad byte")
    }

    @Test("The last sequence of a data set without pixels needs no delimiter")
    func sequences() throws {
        var writer = report(.explicitLittle)
        var item = ByteWriter()
        item.add(0x0040, 0xA160, "UT", "text")
        writer.sequence(0x0040, 0xA730, isUndefined: true, items: [item.bytes, item.bytes])
        let file = ByteWriter.file(writer.bytes)
        #expect(try end(file).flags == [])
        for missing in 1...8 {
            try expectWhole(Array(file.dropLast(missing)), "without \(missing) bytes")
        }
        try expectCut(Array(file.dropLast(17)), "in the middle of an item")
    }

    @Test("A stray delimiter before the pixels does not hide that they are cut off")
    func strayBeforePixels() throws {
        var writer = ByteWriter.image()
        writer.head(0xFFFE, 0xE00D, "", 0)
        writer.add(0x7FE0, 0x0010, "OW", [UInt8](repeating: 7, count: 1000))
        let file = ByteWriter.file(writer.bytes)
        try expectWhole(file, "whole")
        try expectCut(Array(file.dropLast(100)), "cut off")
    }
}
