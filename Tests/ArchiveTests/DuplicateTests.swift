import TestSupport
import Archive
import Glibc
import JSON
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

    private func ingestAgain() throws -> Int64? {
        try temporary.open {
            try $0.ingest(image, from: "/cd/again.dcm", in: temporary.folder).duplicate
        }
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

    /// Alters a blob in its place, as a person or a program does that the archive knows nothing of.
    private func alter(_ digest: Digest, on volume: Int, keepingTime: Bool) throws {
        let path = temporary.blob(digest, on: volume)
        chmod(path, 0o644)
        let file = Glibc.open(path, O_RDWR)
        try #require(file >= 0)
        defer { close(file) }
        var status = stat()
        fstat(file, &status)
        let wrong = [UInt8]("altered!".utf8)
        #expect(pwrite(file, wrong, wrong.count, 600) == wrong.count)
        if keepingTime { futimens(file, [status.st_atim, status.st_mtim]) }
    }

    /// What lies between the last look at the copies and the moment they are altered.
    enum Before: CaseIterable {
        /// They were just stored.
        case stored
        /// They were hashed for a duplicate.
        case duplicate
        /// One was hashed for a reader.
        case read
        /// The index says that they were hashed this moment, by an earlier process.
        case restart
    }

    @Test(
        "Altered copies are stored anew before a duplicate is acknowledged",
        arguments: Before.allCases, [[1], [2], [1, 2]])
    func altered(_ before: Before, volumes: [Int]) throws {
        for keepingTime in [true, false] {
            let image = series(seed: keepingTime ? 5 : 6, images: 1)[0]
            try temporary.open { archive in
                let id = try #require(archive.ingest(image, in: temporary.folder).archived)
                switch before {
                case .stored, .restart: break
                case .duplicate:
                    #expect(try archive.ingest(image, in: temporary.folder).duplicate == id)
                case .read: close(try archive.openBlob(of: id).descriptor)
                }
                if before == .restart { return }
                for volume in volumes {
                    try alter(.of(image), on: volume, keepingTime: keepingTime)
                }
                #expect(try archive.ingest(image, in: temporary.folder).duplicate == id)
            }
            if before == .restart {
                try temporary.index.execute("UPDATE copy SET verified = \(Int64.max)")
                for volume in volumes {
                    try alter(.of(image), on: volume, keepingTime: keepingTime)
                }
                try temporary.open { (archive) throws in
                    #expect(try archive.ingest(image, in: temporary.folder).duplicate != nil)
                }
            }
            for volume in 1...2 {
                #expect(try contents(of: temporary.blob(.of(image), on: volume)) == image)
                #expect(try bad(on: volume).isEmpty == !volumes.contains(volume))
            }
            let healed = try #require(try temporary.ledger().last?.entry.body["healed"])
            #expect(healed == .array(volumes.map { .int(Int64($0)) }))
        }
    }

    @Test("Copies that were hashed and are unchanged are not hashed again, within a day")
    func unchanged() throws {
        let clock = ManualClock()
        try temporary.open(clock: clock) { archive in
            func verified() throws -> JSONValue? {
                #expect(try archive.ingest(image, in: temporary.folder).duplicate == 1)
                return try temporary.ledger().last?.entry.body["verified"]
            }
            // The time of change has to be some moments ago.
            let isKnown = try eventually { try verified() == nil }
            #expect(isKnown)
            clock.advance(by: 86_400)
            #expect(try verified() == [1, 2])
        }
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

    @Test("A copy that was hashed and is good is noted as seen")
    func verified() throws {
        try temporary.index.execute("UPDATE copy SET verified = 1 WHERE volume = 2")
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
