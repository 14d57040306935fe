import TestSupport
@testable import Archive
import Foundation
import Glibc
import Storage
import TemporaryArchive
import Testing

@Suite("Opening damaged images")
struct HealingTests {
    private let temporary: TemporaryArchive
    private let images = series(images: 4)

    init() throws {
        temporary = try TemporaryArchive()
        try temporary.archive(images)
    }

    private func write(_ bytes: [UInt8], over image: Int, on volume: Int) throws {
        let path = temporary.blob(.of(images[image]), on: volume)
        try temporary.folder.write(
            bytes, to: String(path.dropFirst(temporary.folder.path.count + 1)))
    }

    private func read(_ archive: Archive, _ id: Int64) throws -> [UInt8] {
        let descriptor = try archive.openBlob(of: id).descriptor
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: images[Int(id) - 1].count + 1)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return Array(bytes.prefix(count))
    }

    private func flipped(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        bytes[bytes.count / 2] ^= 4
        return bytes
    }

    enum Fault: CaseIterable { case bitFlip, truncation, growth, deletion, swap }

    private func damage(_ image: Int, on volume: Int, _ fault: Fault) throws {
        switch fault {
        case .bitFlip: try write(flipped(images[image]), over: image, on: volume)
        case .truncation: try write(Array(images[image].dropLast()), over: image, on: volume)
        case .growth: try write(images[image] + [0], over: image, on: volume)
        case .deletion: unlink(temporary.blob(.of(images[image]), on: volume))
        case .swap: try write(images[(image + 1) % images.count], over: image, on: volume)
        }
    }

    @Test(
        "Whatever happened to a copy, the reader gets the right bytes and the copy is healed",
        arguments: Fault.allCases, 1...2)
    func heals(fault: Fault, volume: Int) throws {
        try temporary.open { archive in
            // Also one that was seen to be good a moment ago.
            #expect(try read(archive, 2) == images[1])
            try damage(1, on: volume, fault)
            #expect(try read(archive, 2) == images[1])
            // The other volume may have been read: then nothing was noticed yet.
            if volume == 2 {
                archive.images.heal(
                    try #require(try archive.index.read { try $0.copies(of: 2) }),
                    bad: [BadCopy(volume: try #require(archive.volumes[2]), problem: .altered)])
            }
        }
        try temporary.expectBlobs(images)
        let aside = try? files(below: temporary.volumes[volume - 1] + "/rejected/bad-blobs")
        #expect(aside?.count == (fault == .deletion ? nil : 1))
        let kinds = try temporary.kinds()
        #expect(kinds["damage"] == 1 && kinds["copies"] == 1)
        #expect(
            try temporary.index.number("SELECT errors FROM volume WHERE ordinal = \(volume)") == 1)
        #expect(try temporary.index.number("SELECT min(copies) FROM instance") == 2)
    }

    @Test("An image whose copies are all bad is never served, is listed, and its bytes are kept")
    func allBad() throws {
        try damage(0, on: 1, .bitFlip)
        try damage(0, on: 2, .truncation)
        try temporary.open { archive in
            for _ in 1...2 {
                let error = try #require(throws: ArchiveError.self) { try archive.openBlob(of: 1) }
                #expect(error.code == .noGoodCopy)
            }
            #expect(try read(archive, 2) == images[1])
            #expect(
                try archive.index.read { try $0.underReplicated(below: 1, limit: 10) }.map(\.id)
                    == [1])
        }
        for volume in 1...2 {
            #expect(
                try files(below: temporary.volumes[volume - 1] + "/rejected/bad-blobs").count == 1)
        }
    }

    @Test("An image whose copies were all bad is whole again when it is ingested again")
    func ingestedAgain() throws {
        try damage(0, on: 1, .bitFlip)
        try damage(0, on: 2, .bitFlip)
        try temporary.open { archive in
            _ = try? archive.openBlob(of: 1)
            let again = try archive.ingest(images[0], in: temporary.folder)
            #expect(again.duplicate == 1)
            #expect(try read(archive, 1) == images[0])
        }
        try temporary.expectBlobs(images)
    }

    @Test("Many bad copies mark a volume as failing, and it is read from last")
    func failing() throws {
        let more = series(seed: 9, images: 10)
        let ids = try temporary.archive(more)
        for image in more { unlink(temporary.blob(.of(image), on: 1)) }
        try temporary.open { archive in
            for id in ids { close(try archive.openBlob(of: id).descriptor) }
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.volumes.map(\.state) == [.failing, .online])
            #expect(try archive.openBlob(of: 1).version.volumeOrdinal == 2)
        }
        try temporary.expectBlobs(images + more)
        #expect(try temporary.ledger().contains { $0.entry.body["op"]?.string == "failing" })
    }

    @Test(
        "An unreadable copy is not moved away when there is no other: it may become readable again")
    func unreadable() throws {
        let digest = Digest.of(images[0])
        try temporary.open { archive in
            for volume in 1...2 {
                // A folder opens like a file but cannot be read: EISDIR, reported as an error of
                // the disk.
                try FileManager.default.moveItem(
                    atPath: temporary.blob(digest, on: volume),
                    toPath: temporary.folder.path("kept\(volume)"))
                try FileManager.default.createDirectory(
                    atPath: temporary.blob(digest, on: volume), withIntermediateDirectories: false)
            }
            let image = try #require(try archive.index.read { try $0.copies(of: 1) })
            let bad = [1, 2].compactMap { archive.volumes[$0] }.map {
                BadCopy(volume: $0, problem: .unreadable)
            }
            #expect(archive.images.heal(image, bad: bad).left == [1, 2])
            #expect(
                try archive.index.read { try $0.underReplicated(below: 1, limit: 10) }.map(\.id)
                    == [1])
            for volume in 1...2 {
                try FileManager.default.removeItem(atPath: temporary.blob(digest, on: volume))
                try FileManager.default.moveItem(
                    atPath: temporary.folder.path("kept\(volume)"),
                    toPath: temporary.blob(digest, on: volume))
            }
            // The disks work again: the scrub finds the copies.
            _ = try archive.scrub()
            #expect(try archive.index.read { try $0.copies(of: 1)?.volumes } == [1, 2])
            #expect(try read(archive, 1) == images[0])
        }
    }

    @Test("An error that says nothing of the copy does not make it a bad one")
    func noFault() {
        #expect(
            CopyProblem(reading: StorageError(.tooManyOpenFiles, "", path: "", remedy: "")) == nil)
        #expect(CopyProblem(reading: StorageError(.io, "", path: "", remedy: "")) == .unreadable)
        #expect(CopyProblem(reading: StorageError(.notFound, "", path: "", remedy: "")) == .missing)
    }

    @Test(
        """
        Bytes that several store on a volume at once are stored, though the first to record them \
        takes their staged name away
        """
    )
    func storedTogether() throws {
        let new = series(seed: 33, images: 2)
        try temporary.open { archive in
            let volume = try #require(archive.volumes[1])
            let staged = try new.map { image in
                let source = try temporary.folder.write(image, to: "new")
                let file = open(source, O_RDONLY)
                defer { close(file) }
                let staged = StagedBlob(digest: .of(image), bytes: Int64(image.count))
                try volume.stageCopy(from: file, as: staged.digest, bytes: staged.bytes)
                return staged
            }
            try volume.store([staged[0]])
            try volume.finish([staged[0].digest])
            try volume.store(staged)
            for file in staged { #expect(try volume.verifyBlob(file.digest, bytes: file.bytes)) }
            // An image without any copy is not skipped.
            let missing = StagedBlob(digest: .of(Array("nothing".utf8)), bytes: 7)
            #expect(throws: StorageError.self) { try volume.store([missing]) }
            try volume.finish(staged.map(\.digest))
        }
    }

    @Test("The records of damage in the ledger make the same index again")
    func replay() throws {
        try damage(0, on: 1, .bitFlip)
        try damage(1, on: 1, .bitFlip)
        try damage(1, on: 2, .deletion)
        try temporary.open { archive in for id: Int64 in 1...4 { _ = try? archive.openBlob(of: id) }
        }
        let before = try temporary.index.dump()
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
    }
}
