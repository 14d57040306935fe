import Glibc
import Storage
import System
import TestSupport
import Testing

@Suite("Digests of files with holes")
struct SparseDigestTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A file with some bytes at some places.
    private func make(_ name: String, size: Int64, _ parts: [(Int64, [UInt8])]) throws
        -> SharedDescriptor
    {
        try folder.write([], to: name)
        let file = SharedDescriptor(try Descriptor(opening: folder.path(name), O_RDWR))
        #expect(ftruncate(file.number, off_t(size)) == 0)
        for (offset, bytes) in parts {
            try bytes.withUnsafeBytes { try FileIO.write(file.number, $0, at: offset) }
        }
        return file
    }

    @Test("Holes count as the zeros that they read as", arguments: [0, 1, 4095, 300_000])
    func holes(at offset: Int64) throws {
        let file = try make("x", size: 700_001, [(offset, [1, 2, 3]), (600_000, [4])])
        let bytes = try FileIO.content(of: folder.path("x"))
        #expect(bytes.count == 700_001)
        let digest = try Digest.of(descriptor: file.number, bytes: 700_001, path: "x")
        #expect(digest == Digest.of(bytes))
        let kept = try Digest.ofRejected(descriptor: file.number, bytes: 700_001, path: "x")
        #expect(kept == digest)
    }

    @Test("A file that is shorter than it should be has no digest, also where a hole could be")
    func short() throws {
        let file = try make("x", size: 100, [(0, [1])])
        #expect(throws: StorageError.self) {
            try Digest.of(descriptor: file.number, bytes: 100_000, path: "x")
        }
    }

    @Test("Of 8 TiB that were never written the blocks with something in them count")
    func blocks() throws {
        let size: Int64 = 1 << 43
        let parts: [(Int64, [UInt8])] = [(0, [1]), (5 << 30, [2, 3]), (size - 1, [4])]
        let file = try make("x", size: size, parts)
        #expect(try Digest.isTooSparse(descriptor: file.number, bytes: size, path: "x"))
        let digest = try Digest.ofRejected(descriptor: file.number, bytes: size, path: "x")
        // Zeros that were written are the same bytes.
        let zeros = (1 << 30, [UInt8](repeating: 0, count: 1 << 20)) as (Int64, [UInt8])
        let same = try make("same", size: size, parts + [zeros])
        #expect(
            try Digest.ofRejected(descriptor: same.number, bytes: size, path: "same") == digest)
        for (name, parts, size) in [
            ("moved", [(4096, [1])] + parts.dropFirst(), size),
            ("longer", parts, size + 1), ("other", parts + [(7 << 30, [9])], size),
        ] as [(String, [(Int64, [UInt8])], Int64)] {
            let other = try make(name, size: size, parts)
            #expect(
                try Digest.ofRejected(descriptor: other.number, bytes: size, path: name) != digest)
        }
    }
}
