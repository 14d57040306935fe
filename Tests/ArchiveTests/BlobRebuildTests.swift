import TestSupport
import Archive
import Foundation
import Storage
import SyntheticStudy
import TemporaryArchive
import Testing

@Suite("Rebuilding from bare blobs")
struct BlobRebuildTests {
    private let temporary: TemporaryArchive
    private let images: [[UInt8]]

    init() throws {
        temporary = try TemporaryArchive()
        images = series(seed: 1) + series(seed: 2) + series(seed: 3, images: 1)
        try temporary.archive(images)
    }

    private func paths() throws -> [String: [[String]]] {
        try temporary.open { archive in
            try archive.index.read { reader in
                try images.map(Digest.of).reduce(into: [:]) { result, digest in
                    guard let id = try reader.instance(sha256: digest.bytes) else { return }
                    result[digest.hex] = try reader.details(id)?.paths
                }
            }
        }
    }

    private func removeLedgers() throws {
        for volume in temporary.volumes {
            try FileManager.default.removeItem(atPath: volume + "/ledger")
            try FileManager.default.createDirectory(
                atPath: volume + "/ledger", withIntermediateDirectories: false)
        }
        temporary.removeIndex()
    }

    private func rebuild() throws -> RebuildSummary {
        try Archive.rebuild(at: temporary.path, fromBlobs: true, log: temporary.log.logger) { _ in }
    }

    @Test("Every image is back under its paths when index and ledger are gone")
    func allBack() throws {
        let before = try paths()
        try removeLedgers()
        let summary = try rebuild()
        #expect(summary.images == Int64(images.count))
        #expect(summary.damagedCopies == 0 && summary.leftOut.isEmpty)
        #expect(try paths() == before)
        try temporary.expectBlobs(images)
        // The new ledger continues like any other.
        try temporary.archive(series(seed: 4))
        let index = try temporary.index.dump()
        #expect(index.contains("rebuilt from blobs"))
        _ = try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        #expect(try temporary.index.dump() == index)
    }

    @Test("A ledger that can be read to its end is not given up")
    func refused() throws {
        let ledger = try contents(of: temporary.ledgerFile(on: 1))
        let error = #expect(throws: ArchiveError.self) { try rebuild() }
        #expect(error?.description.contains("without --from-blobs") == true)
        #expect(try contents(of: temporary.ledgerFile(on: 1)) == ledger)
    }

    @Test("A ledger that cannot be read is kept beside the new one")
    func keepsOld() throws {
        var old: [[UInt8]] = []
        for number in 1...2 {
            let file = try temporary.ledgerFile(on: number)
            var bytes = try contents(of: file)
            bytes[bytes.count / 3] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            old.append(bytes)
        }
        #expect(try rebuild().images == Int64(images.count))
        for number in 1...2 {
            let folder = temporary.volumes[number - 1] + "/ledger"
            let kept = try files(below: folder).filter { $0.contains(".unusable-") }
            #expect(try kept.map { try contents(of: folder + "/" + $0) } == [old[number - 1]])
        }
        #expect(try paths().count == images.count)
    }

    @Test(
        """
        A copy whose bytes do not match its name does not count; without a good one the image is \
        left out
        """
    )
    func damaged() throws {
        let digests = images.map(Digest.of)
        func damage(_ digest: Digest, on number: Int) throws {
            let path = temporary.blob(digest, on: number)
            chmod(path, 0o644)
            var bytes = try contents(of: path)
            bytes[bytes.count - 1] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: path))
        }
        try damage(digests[0], on: 1)
        try damage(digests[1], on: 1)
        try damage(digests[1], on: 2)
        try removeLedgers()
        let summary = try rebuild()
        #expect(summary.images == Int64(images.count - 1))
        #expect(summary.damagedCopies == 3)
        #expect(summary.leftOut == [digests[1].hex])
        try temporary.open { archive in
            let copies = try archive.index.read { reader in
                try reader.instance(sha256: digests[0].bytes).flatMap {
                    try reader.copies(of: $0)?.volumes
                }
            }
            #expect(copies == [2])
        }
        for number in 1...2 {
            #expect(FileManager.default.fileExists(atPath: temporary.blob(digests[1], on: number)))
        }
    }

    @Test("Leftovers of an interrupted run are cleared, and nothing else")
    func interrupted() throws {
        try removeLedgers()
        let site = Ledger.site(archive: try temporary.volume(1).identity.archive)
        try temporary.folder.write(
            "half a line".utf8, to: "volume1/ledger/\(site).new/000001.jsonl")
        #expect(try rebuild().images == Int64(images.count))
        try temporary.expectBlobs(images)
    }

    @Test("Volumes without blobs are refused, and nothing is made")
    func noBlobs() throws {
        let empty = try TemporaryArchive()
        let error = #expect(throws: ArchiveError.self) {
            try Archive.rebuild(at: empty.path, fromBlobs: true, log: empty.log.logger) { _ in }
        }
        #expect(error?.code == .notFound)
    }
}
