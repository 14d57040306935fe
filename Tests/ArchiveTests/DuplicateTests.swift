import TestSupport
import Archive
import Glibc
import Storage
import TemporaryArchive
import Testing

@Suite("Duplicates")
struct DuplicateTests {
    private let temporary: TemporaryArchive
    private let image = series(images: 1)[0]

    init() throws {
        temporary = try TemporaryArchive()
        try temporary.archive([image])
    }

    /// The file with the blob's name on a volume, and a way to damage it.
    private func damage(on volume: Int, _ bytes: [UInt8]) throws {
        let path = temporary.blob(.of(image), on: volume)
        try temporary.folder.write(
            bytes, to: String(path.dropFirst(temporary.folder.path.count + 1)))
    }

    private func backDate(volume: Int) throws {
        try temporary.index.execute("UPDATE copy SET verified = 1 WHERE volume = \(volume)")
    }

    private func ingestAgain() throws -> Int64? {
        try temporary.open {
            try $0.ingest(image, from: "/cd/again.dcm", in: temporary.folder).duplicate
        }
    }

    private var spoiled: [UInt8] {
        var bytes = image
        bytes[bytes.count - 1] ^= 1
        return bytes
    }

    private func bad(on volume: Int) throws -> [[UInt8]] {
        let folder = temporary.volumes[volume - 1] + "/rejected/bad-blobs"
        return (try? files(below: folder).map { try contents(of: folder + "/" + $0) }) ?? []
    }

    @Test("The same bytes are stored once, and where they came from is recorded")
    func stored() throws {
        #expect(try ingestAgain() == 1)
        try temporary.expectBlobs([image])
        let record = try #require(try temporary.ledger().last?.entry)
        #expect(record.kind == "duplicate")
        #expect(record.body["sha256"]?.string == Digest.of(image).hex)
        #expect(record.body["from"]?.string == "/cd/again.dcm")
        #expect(record.body["healed"] == nil)
    }

    @Test(
        "A copy that was not hashed for a day is hashed; a bad one is moved away and healed",
        arguments: 1...2)
    func heals(volume: Int) throws {
        try damage(on: volume, spoiled)
        try backDate(volume: volume)
        #expect(try ingestAgain() == 1)
        try temporary.expectBlobs([image])
        #expect(try bad(on: volume) == [spoiled])
        #expect(try temporary.ledger().last?.entry.body["healed"] == [.int(Int64(volume))])
        #expect(try temporary.index.number("SELECT min(verified) > 1 FROM copy") == 1)
    }

    @Test("When both copies are bad the file at hand replaces both")
    func healsBoth() throws {
        for volume in 1...2 {
            try damage(on: volume, spoiled)
            try backDate(volume: volume)
        }
        #expect(try ingestAgain() == 1)
        try temporary.expectBlobs([image])
        #expect(try temporary.ledger().last?.entry.body["healed"] == [1, 2])
    }

    @Test("A copy that is missing or has another size is healed at once")
    func missing() throws {
        unlink(temporary.blob(.of(image), on: 1))
        try damage(on: 2, [1, 2, 3])
        #expect(try ingestAgain() == 1)
        try temporary.expectBlobs([image])
        #expect(try bad(on: 1) == [])
        #expect(try bad(on: 2) == [[1, 2, 3]])
    }

    @Test("A good copy that was not hashed for a day is noted as seen")
    func verified() throws {
        try backDate(volume: 2)
        #expect(try ingestAgain() == 1)
        #expect(try temporary.index.number("SELECT verified > 1 FROM copy WHERE volume = 2") == 1)
        #expect(try temporary.ledger().last?.entry.body["healed"] == nil)
    }

    @Test(
        """
        Reading goes to the good copy when the other is missing or short, and says so when none \
        is left
        """
    )
    func reading() throws {
        unlink(temporary.blob(.of(image), on: 1))
        try temporary.open { archive in
            let descriptor = try archive.openBlob(of: 1).descriptor
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: image.count)
            #expect(pread(descriptor, &bytes, bytes.count, 0) == image.count)
            #expect(bytes == image)
        }
        // It was replaced from the good copy before it was read.
        try temporary.expectBlobs([image])
        try damage(on: 1, [])
        try damage(on: 2, [])
        try temporary.open { archive in
            let error = try #require(throws: ArchiveError.self) { try archive.openBlob(of: 1) }
            #expect(error.code == .noGoodCopy)
            #expect(error.description.contains(Digest.of(image).hex))
            let unknown = try #require(throws: ArchiveError.self) { try archive.openBlob(of: 99) }
            #expect(unknown.code == .notFound)
        }
    }
}
