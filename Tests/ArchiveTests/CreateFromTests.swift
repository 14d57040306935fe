import Archive
import Foundation
import Storage
import SyntheticStudy
import TemporaryArchive
import Testing

@Suite("Bringing an archive back from volumes that survived")
struct CreateFromTests {
    /// The archive's directory goes, and one volume is copied to another place.
    private func survive(_ temporary: TemporaryArchive, volume number: Int) throws -> String {
        let copy = temporary.folder.path("survivor\(number)")
        try FileManager.default.copyItem(atPath: temporary.volumes[number - 1], toPath: copy)
        return copy
    }

    private func create(
        _ temporary: TemporaryArchive, from survivor: String, others: [String] = [], copies: Int = 2
    ) throws -> (path: String, RestoreSummary) {
        let path = temporary.folder.path("again-" + String(UInt32.random(in: 0 ... .max)))
        return (
            path,
            try Archive.create(
                at: path, from: survivor, others: others, copies: copies, log: temporary.log.logger
            ) { _ in }
        )
    }

    @Test("From each volume alone the index is the same, row for row", arguments: 1...2)
    func alone(number: Int) throws {
        let temporary = try TemporaryArchive()
        let images = series(seed: 1) + series(seed: 2)
        try temporary.archive(images)
        let before = try temporary.index.dump()
        let survivor = try survive(temporary, volume: number)
        for gone in temporary.volumes + [temporary.path] {
            try FileManager.default.removeItem(atPath: gone)
        }
        let (path, summary) = try create(temporary, from: survivor)
        #expect(summary.images == 6 && summary.offlineOnly == 0 && summary.list == nil)
        #expect(
            summary.volumes.map(\.state)
                == (number == 1 ? [.online, .absent] : [.absent, .online]))
        #expect(try IndexFile(path + "/index.sqlite").dump() == before)
        let archive = try Archive(at: path, log: temporary.log.logger)
        defer { archive.close() }
        #expect(archive.id == (try Volume.open(at: survivor, archive: nil)).identity.archive)
        for id in 1...6 { close(try archive.openBlob(of: Int64(id)).descriptor) }
        let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        #expect(status.volumes.map(\.state.rawValue).sorted() == ["absent", "online"])
        #expect(status.health.level != .safe)
    }

    @Test(
        "Of three volumes, one alone tells which images it lacks; with all of them nothing does",
        arguments: 1...3)
    func ofThree(number: Int) throws {
        let temporary = try TemporaryArchive(volumes: 3)
        // Each volume is away once, so that each lacks some.
        for away in temporary.volumes {
            try FileManager.default.moveItem(atPath: away, toPath: away + ".away")
            try temporary.archive(series(seed: UInt64(away.utf8.last ?? 0), images: 4))
            try FileManager.default.moveItem(atPath: away + ".away", toPath: away)
        }
        try temporary.open { _ in }
        let here =
            try temporary.index.number("SELECT count(*) FROM copy WHERE volume = \(number)") ?? 0
        let survivors = try (1...3).map { try survive(temporary, volume: $0) }
        for gone in temporary.volumes + [temporary.path] {
            try FileManager.default.removeItem(atPath: gone)
        }
        let (path, summary) = try create(temporary, from: survivors[number - 1])
        #expect(summary.images == 12)
        #expect(summary.offlineOnly == 12 - here)
        #expect(summary.offlineOnly > 0, "the images are on two of three volumes")
        let list = try String(contentsOfFile: #require(summary.list), encoding: .utf8)
        #expect(list.split(separator: "\n").count == Int(summary.offlineOnly))
        #expect(summary.examples.allSatisfy { list.contains($0) })
        let archive = try Archive(at: path, log: temporary.log.logger)
        let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        archive.close()
        #expect(status.copies.offlineOnly == summary.offlineOnly)
        #expect(status.health.level == .risk)
        #expect(status.health.headline.contains("cannot be read"))

        let (_, all) = try create(
            temporary, from: survivors[number - 1],
            others: survivors.filter { $0 != survivors[number - 1] })
        #expect(all.offlineOnly == 0)
        #expect(all.volumes.map(\.state) == [.online, .online, .online])
    }

    @Test("An empty folder becomes a new volume and gets what it lacks")
    func newVolume() throws {
        let temporary = try TemporaryArchive()
        let images = series(seed: 1)
        try temporary.archive(images)
        let survivor = try survive(temporary, volume: 2)
        for gone in temporary.volumes { try FileManager.default.removeItem(atPath: gone) }
        let fresh = temporary.folder.path("fresh")
        let (path, summary) = try create(temporary, from: survivor, others: [fresh])
        #expect(summary.volumes.map(\.ordinal) == [1, 2, 3])
        #expect(summary.volumes.last?.isNew == true && summary.volumes.last?.state == .online)
        let archive = try Archive(at: path, log: temporary.log.logger)
        defer { archive.close() }
        // The first volume is lost for good.
        _ = try archive.replaceVolume("1", with: temporary.folder.path("other"))
        _ = try archive.makeMissingCopies()
        #expect(try archive.index.read { try $0.totals().byCopies[2] } == 3)
        guard
            case .success = try archive.ingest(series(seed: 5, images: 1)[0], in: temporary.folder)
        else {
            Issue.record("nothing new can be archived")
            return
        }
    }

    @Test("A volume that is still where the ledger has it is taken up")
    func stillThere() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 1))
        try FileManager.default.removeItem(atPath: temporary.path)
        let (_, summary) = try create(temporary, from: temporary.volumes[1])
        #expect(summary.volumes.map(\.state) == [.online, .online])
    }

    @Test(
        """
        What belongs to another archive, a twin, or a folder that is taken is refused, and \
        nothing is made
        """
    )
    func refusals() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 1))
        let other = try TemporaryArchive()
        let survivor = try survive(temporary, volume: 1)
        let twin = temporary.folder.path("twin")
        try FileManager.default.copyItem(atPath: survivor, toPath: twin)
        try temporary.folder.write("mine".utf8, to: "taken/file")
        for bad in [other.volumes[0], twin, temporary.folder.path("taken")] {
            let path = temporary.folder.path("never")
            #expect(throws: ArchiveError.self, "\(bad)") {
                try Archive.create(
                    at: path, from: survivor, others: [bad], copies: 2, log: temporary.log.logger
                ) { _ in }
            }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
        #expect(throws: ArchiveError.self) {
            try Archive.create(
                at: temporary.path, from: survivor, others: [], copies: 2, log: temporary.log.logger
            ) { _ in }
        }
    }

    @Test("A volume without a ledger still gives an archive, which says how to go on")
    func noLedger() throws {
        let temporary = try TemporaryArchive()
        let images = series(images: 3)
        try temporary.archive(images)
        let survivor = try survive(temporary, volume: 1)
        try FileManager.default.removeItem(atPath: survivor + "/ledger")
        try FileManager.default.createDirectory(
            atPath: survivor + "/ledger", withIntermediateDirectories: false)
        let (path, summary) = try create(temporary, from: survivor)
        #expect(summary.needsRebuildFromBlobs)
        #expect(throws: ArchiveError.self) {
            try Archive.rebuild(at: path, log: temporary.log.logger) { _ in }
        }
        let rebuilt = try Archive.rebuild(at: path, fromBlobs: true, log: temporary.log.logger) {
            _ in
        }
        #expect(rebuilt.images == 3)
    }

    @Test(
        """
        An archive is begun while one of its volumes is away; the ledger knows that one when it \
        comes
        """
    )
    func begunWithout() throws {
        let temporary = try TemporaryArchive()
        try FileManager.default.moveItem(
            atPath: temporary.volumes[1], toPath: temporary.volumes[1] + ".away")
        try temporary.open { archive in
            let error = try archive.ingest(series(images: 1)[0], in: temporary.folder).error
            #expect(error != nil, "two copies are wanted")
        }
        try FileManager.default.moveItem(
            atPath: temporary.volumes[1] + ".away", toPath: temporary.volumes[1])
        let images = series(images: 2)
        try temporary.archive(images)
        #expect(try temporary.index.number("SELECT count(*) FROM volume") == 2)
        try temporary.expectBlobs(images)
    }

    @Test("A volume that was retired is refused at once, with what to do, and nothing is made")
    func retired() throws {
        let temporary = try TemporaryArchive(volumes: 3)
        try temporary.archive(series(images: 2))
        try temporary.open { archive in
            #expect(try archive.retireVolume("1").copiesProblem == nil)
            _ = try archive.makeMissingCopies()
        }
        let retired = try survive(temporary, volume: 1)
        for (survivor, others) in [(retired, []), (temporary.volumes[1], [retired])] {
            let path = temporary.folder.path("never")
            let error = try #require(throws: ArchiveError.self) {
                try Archive.create(
                    at: path, from: survivor, others: others, copies: 2, log: temporary.log.logger
                ) { _ in }
            }
            #expect(
                error.code == .configuration
                    && error.description.contains("\(retired) was volume 1, and was retired"),
                "\(error)")
            #expect(error.description.contains("pacsfs import \(retired)/blobs"))
            #expect(!FileManager.default.fileExists(atPath: path))
        }
        // The others make a whole archive, unless more copies are wanted than they are.
        try FileManager.default.removeItem(atPath: temporary.path)
        let (_, summary) = try create(temporary, from: temporary.volumes[1], copies: 3)
        #expect(
            summary.offlineOnly == 0
                && summary.copiesProblem?.contains("only 2 volumes take files") == true)
    }
}
