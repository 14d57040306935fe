import TestSupport
import SyntheticStudy
import DICOM
import DICOMSupport
import Foundation
import Testing

@Suite("Damaged files")
struct FuzzTests {
    private static let seed: UInt64 = 20_240_131

    /// The number of damaged files: `PACSFS_FUZZ` if it is set, otherwise 200,000 in an optimised
    /// build and 20,000 in a debug build.
    private static let rounds: Int = {
        if let text = ProcessInfo.processInfo.environment["PACSFS_FUZZ"], let count = Int(text) {
            return count
        }
        #if DEBUG
            return 20_000
        #else
            return 200_000
        #endif
    }()

    /// Files to damage: hand-made ones, and the beginnings of real ones if there are any.
    private static func originals() throws -> [[UInt8]] {
        var files = ByteWriter.Encoding.allCases.map { ByteWriter.image($0).bytes }
        files.append(ByteWriter.file(ByteWriter.image().bytes))
        files.append(
            ByteWriter.file(ByteWriter.implicitLittleUID, ByteWriter.image(.implicitLittle).bytes))
        files.append(
            ByteWriter.file(ByteWriter.explicitBigUID, ByteWriter.image(.explicitBig).bytes))
        if let corpus = Corpus.shared {
            for entry in try corpus.entries("samples") {
                let bytes = try entry.bytes()
                if !bytes.isEmpty { files.append(Array(bytes.prefix(12_000))) }
            }
        }
        return files
    }

    @Test("Damaged files neither crash nor are read beyond their end or again and again")
    func mutations() throws {
        print("fuzz: \(Self.rounds) files from seed \(Self.seed)")
        let originals = try Self.originals()
        var mutator = Mutator(seed: Self.seed)
        var choice = SeededRandom(seed: Self.seed ^ 1)
        var reader = HeaderReader()
        var readable = 0
        for round in 0..<Self.rounds {
            let one = originals[Int.random(in: 0..<originals.count, using: &choice)]
            let other = originals[Int.random(in: 0..<originals.count, using: &choice)]
            let bytes = mutator.mutate(one, other)
            let fault =
                round % 2 == 0
                ? Self.check(bytes, &reader, &readable)
                : Self.checkInPlace(bytes, &reader, &readable)
            if round % 50 == 0, Self.describe(bytes, &reader) != Self.describeAnew(bytes) {
                Issue.record("round \(round): the file before shines through")
                return
            }
            if let fault {
                Issue.record("round \(round): \(fault)")
                return
            }
        }
        #expect(readable > Self.rounds / 4)
    }

    /// Everything that a reader finds in a file.
    private static func describe(_ bytes: [UInt8], _ reader: inout HeaderReader) -> String {
        do throws(ReadError) {
            let header = try reader.read(BufferSource(bytes))
            let values = Attribute.allCases.map { header[$0] ?? "-" }.joined(separator: "|")
            return "\(values) \(header.flags.rawValue) \(header.pixelDataOffset ?? 0)"
        } catch {
            return error.description
        }
    }

    private static func describeAnew(_ bytes: [UInt8]) -> String {
        var reader = HeaderReader()
        return describe(bytes, &reader)
    }

    /// Reads through a source that records requests outside of it.
    private static func check(
        _ bytes: [UInt8], _ reader: inout HeaderReader, _ readable: inout Int
    ) -> String? {
        let source = GuardedSource(bytes)
        let fault = examine(source, bytes.count, &reader, &readable)
        // A deflated file is looked at once before it is inflated from the same bytes.
        if source.requested > 2 * bytes.count {
            return "\(source.requested) of \(bytes.count) bytes"
        }
        return fault
    }

    /// Reads memory of exactly the right size, so that the address sanitizer notices one byte too
    /// many.
    private static func checkInPlace(
        _ bytes: [UInt8], _ reader: inout HeaderReader, _ readable: inout Int
    ) -> String? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        return examine(
            BufferSource(UnsafeRawBufferPointer(memory)), bytes.count, &reader, &readable)
    }

    private static func examine(
        _ source: some ByteSource, _ size: Int, _ reader: inout HeaderReader, _ readable: inout Int
    ) -> String? {
        do throws(ReadError) {
            let header = try reader.read(source)
            readable += 1
            for attribute in Attribute.allCases {
                let isText = header.withUTF8(attribute) {
                    String(validating: $0, as: UTF8.self) != nil
                }
                if isText == false { return "\(attribute.keyword) is not UTF-8" }
            }
            if let offset = header.pixelDataOffset, offset >= size { return "pixels at \(offset)" }
        } catch {
            if error.offset > size { return "error at \(error.offset) of \(size): \(error)" }
            if error.code == .io { return "\(error)" }
        }
        return nil
    }
}
