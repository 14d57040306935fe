import TestSupport
@testable import Archive
import Foundation
import Glibc
import Storage
import TemporaryArchive
import Testing

@Suite("Volumes that come and go")
struct VolumeChangeTests {
    private let temporary: TemporaryArchive
    private let images = series(images: 4)

    init() throws {
        temporary = try TemporaryArchive()
        try temporary.configure { $0.replacing("# min_copies = 1", with: "min_copies = 1") }
        try temporary.archive(Array(images.prefix(2)))
    }

    private func move(_ volume: Int, away: Bool) throws {
        let path = temporary.volumes[volume - 1]
        let (from, to) = away ? (path, path + ".away") : (path + ".away", path)
        #expect(rename(from, to) == 0)
    }

    /// How many images have fewer copies than they should.
    private func missing(_ archive: Archive) throws -> Int64 {
        try archive.index.read { try $0.totals() }
            .instances(withFewerThan: archive.settings.copies)
    }

    private func states(_ archive: Archive) throws -> [String] {
        try archive.status(pending: nil, readMode: nil, mountpoint: nil).volumes.map(
            \.state.rawValue)
    }

    private func expect(
        _ count: Int, at path: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let volume = try Volume.open(at: path, archive: nil)
        for image in images.prefix(count) {
            #expect(
                try volume.verifyBlob(.of(image), bytes: Int64(image.count)),
                sourceLocation: sourceLocation)
        }
        let ledger = try strictReading(of: volume)
        #expect(ledger.fault == nil, sourceLocation: sourceLocation)
    }

    @Test(
        "A volume that goes is noticed at the next write, and caught up when it is back",
        arguments: 1...2)
    func returns(volume: Int) throws {
        try temporary.open { archive in
            try move(volume, away: true)
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
            #expect(try states(archive).sorted() == ["absent", "online"])
            #expect(try archive.ingest(images[3], in: temporary.folder).archived == 4)
            #expect(try missing(archive) == 2)
            for id: Int64 in 1...4 { close(try archive.openBlob(of: id).descriptor) }
            try move(volume, away: false)
            archive.maintenance.watch.look()
            #expect(try states(archive) == ["online", "online"])
            try archive.maintenance.resilver.run()
            #expect(archive.maintenance.resilver.progress.copies == 2)
            #expect(try missing(archive) == 0)
        }
        try temporary.expectBlobs(images)
        let before = try temporary.index.dump().split(separator: "\n")
        temporary.removeIndex()
        try temporary.open { _ in }
        let difference = try temporary.index.dump().split(separator: "\n").difference(from: before)
        #expect(difference.isEmpty, "\(difference)")
    }

    @Test("With as many copies wanted as there are volumes, a write fails while one is away")
    func refused() throws {
        try temporary.configure { $0.replacing("min_copies = 1", with: "# none") }
        try temporary.open { archive in
            try move(2, away: true)
            let error = try #require(try archive.ingest(images[2], in: temporary.folder).error)
            #expect(error.description.contains("volume"))
            try move(2, away: false)
            archive.maintenance.watch.look()
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
        }
        try temporary.expectBlobs(Array(images.prefix(3)))
    }

    @Test(
        """
        Another folder in a volume's place is no volume: an empty one, a clone, one of another \
        archive
        """
    )
    func impostors() throws {
        let other = try TemporaryArchive()
        try temporary.open { archive in
            try move(2, away: true)
            for impostor in ["empty", "clone", "other"] {
                let path = temporary.volumes[1]
                switch impostor {
                case "empty":
                    try FileManager.default.createDirectory(
                        atPath: path, withIntermediateDirectories: false)
                case "clone":
                    try FileManager.default.copyItem(atPath: temporary.volumes[0], toPath: path)
                default: try FileManager.default.copyItem(atPath: other.volumes[1], toPath: path)
                }
                let before = try files(below: path)
                archive.maintenance.watch.look()
                #expect(try states(archive) == ["online", "absent"])
                #expect(try archive.ingest(images[2], in: temporary.folder).error == nil)
                #expect(try files(below: path) == before)
                try FileManager.default.removeItem(atPath: path)
            }
            try move(2, away: false)
            archive.maintenance.watch.look()
            #expect(try states(archive) == ["online", "online"])
        }
    }

    @Test("A volume that is added takes copies where copies were missing, and new images")
    func added() throws {
        let third = temporary.folder.path("third")
        try temporary.configure {
            $0.replacing("copies = 2\n", with: "copies = 3\n").replacing(
                "min_copies = 1", with: "min_copies = 2")
        }
        try temporary.open { archive in
            #expect(try missing(archive) == 2)
            let change = try archive.addVolume(at: third, domain: "office")
            #expect(change.ordinal == 3)
            #expect(change.images == 2)
            try archive.maintenance.resilver.run()
            #expect(try missing(archive) == 0)
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
        }
        try expect(3, at: third)
        // The configuration names it, and the next start uses it.
        let settings = try Settings(file: temporary.path + "/pacsfs.toml")
        #expect(settings.volumes.last == Settings.VolumePlace(path: third, domain: "office"))
        let now = try temporary.open { try states($0) }
        #expect(now == ["online", "online", "online"])
    }

    @Test("A volume that retires is emptied onto the others, and leaves the archive")
    func retired() throws {
        let third = temporary.folder.path("third")
        try temporary.open { archive in
            #expect(throws: ArchiveError.self) { try archive.retireVolume("1") }
            _ = try archive.addVolume(at: third, domain: nil)
            _ = try archive.retireVolume(temporary.volumes[0])
            #expect(try states(archive) == ["retiring", "online", "online"])
            try archive.maintenance.resilver.run()
            #expect(try states(archive) == ["online", "online"])
            #expect(try missing(archive) == 0)
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
        }
        try expect(3, at: third)
        try expect(3, at: temporary.volumes[1])
        #expect(
            try Settings(file: temporary.path + "/pacsfs.toml").volumes.map(\.path) == [
                temporary.volumes[1], third,
            ])
        try temporary.open { archive in
            for id: Int64 in 1...3 { close(try archive.openBlob(of: id).descriptor) }
        }
    }

    @Test(
        "Copies that are to stay are seen to be good before a volume retires",
        arguments: [2, 3], [[2], [3], [2, 3]])
    func retiredFromBad(copies: Int, altered: [Int]) throws {
        // With two copies one is read to make another; with three there is nothing to copy.
        let temporary = try TemporaryArchive(volumes: 3, copies: copies)
        try temporary.archive(images)
        try temporary.configure { $0.replacing("copies = 3", with: "copies = 2") }
        let images = images.filter {
            access(temporary.blob(.of($0), on: 1), F_OK) == 0
        }
        #expect(!images.isEmpty)
        for volume in altered {
            for image in images {
                let path = temporary.blob(.of(image), on: volume)
                guard var wrong = try? contents(of: path) else { continue }
                wrong[600] ^= 1
                try temporary.folder.write(
                    wrong, to: String(path.dropFirst(temporary.folder.path.count + 1)))
            }
        }
        try temporary.open { archive in
            _ = try archive.retireVolume("1")
            // A copy that could not be healed at once is made in another round.
            for _ in 1...3 { try archive.maintenance.resilver.run() }
            #expect(try states(archive).contains("retiring") == false)
        }
        for image in images {
            let here = (2...3).filter {
                (try? contents(of: temporary.blob(.of(image), on: $0))) == image
            }
            #expect(here == [2, 3])
        }
    }

    private func put(_ bytes: [UInt8], at path: String) throws {
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(filePath: path))
    }

    private func content(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path)))
    }

    @Test("What waits in incoming, and what was set aside, leaves a volume before that retires")
    func retiredWithLeftovers() throws {
        let first = temporary.volumes[0], second = temporary.volumes[1]
        try temporary.open { archive in
            _ = try archive.addVolume(at: temporary.folder.path("third"), domain: nil)
            try put(Array(images[3].prefix(700)), at: first + "/staging/incoming/deep/w.dcm.part")
            try put(Array("a note".utf8), at: first + "/staging/incoming/note.txt")
            try put(images[0], at: first + "/staging/incoming/again.dcm")
            // Set aside on this volume alone; under a name that others have; on both; archived
            // since.
            for name in ["alone.txt", "taken.txt", "archived.dcm"] {
                try put(
                    Array("why \(name)".utf8), at: first + "/rejected/2024-01-02/\(name).reason.txt"
                )
            }
            try put(Array("alone".utf8), at: first + "/rejected/2024-01-02/alone.txt")
            try put(Array("mine".utf8), at: first + "/rejected/2024-01-02/taken.txt")
            try put(Array("other".utf8), at: second + "/rejected/2024-01-02/taken.txt")
            try put(images[1], at: first + "/rejected/2024-01-02/archived.dcm")
            try put(Array("bad".utf8), at: first + "/rejected/bad-blobs/x.dcm")
            _ = try archive.retireVolume("1")
            // Incoming is elsewhere at once.
            #expect(archive.volumes.staging.path == second)
            try archive.maintenance.resilver.run()
            #expect(try states(archive) == ["online", "online"])
        }
        #expect(try files(below: first + "/staging/incoming") == [])
        #expect(try files(below: second + "/staging/incoming") == ["deep/w.dcm.part"])
        #expect(
            try content(second + "/staging/incoming/deep/w.dcm.part")
                == Array(images[3].prefix(700)))
        let aside = second + "/rejected/2024-01-02/"
        #expect(try content(aside + "alone.txt") == Array("alone".utf8))
        #expect(try content(aside + "alone.txt.reason.txt") == Array("why alone.txt".utf8))
        #expect(try content(aside + "taken.txt") == Array("other".utf8))
        let names = try files(below: second + "/rejected")
        let renamed = try #require(
            names.first { $0.hasPrefix("2024-01-02/taken ~") && !$0.hasSuffix(".reason.txt") })
        #expect(try content(second + "/rejected/" + renamed) == Array("mine".utf8))
        #expect(
            try content(second + "/rejected/" + renamed + ".reason.txt")
                == Array("why taken.txt".utf8))
        #expect(!names.contains { $0.contains("archived.dcm") || $0.contains("bad-blobs") })
        #expect(names.contains { $0.hasSuffix("note.txt") })
        // Nothing goes from the volume that was not taken over.
        #expect(try content(first + "/rejected/2024-01-02/taken.txt") == Array("mine".utf8))
    }

    @Test("A volume does not retire while a name of incoming cannot be taken over, and says so")
    func retirementWaits() throws {
        let first = temporary.volumes[0], second = temporary.volumes[1]
        try temporary.open { archive in
            _ = try archive.addVolume(at: temporary.folder.path("third"), domain: nil)
            try put([1], at: first + "/staging/incoming/w.dcm.part")
            try put([2], at: second + "/staging/incoming/w.dcm.part")
            _ = try archive.retireVolume("1")
            try archive.maintenance.resilver.run()
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.volumes.map(\.state) == [.retiring, .online, .online])
            #expect(
                status.volumes[0].problem?.contains("w.dcm.part of incoming stays on \(first)")
                    == true)
            #expect(try content(first + "/staging/incoming/w.dcm.part") == [1])
            #expect(unlink(second + "/staging/incoming/w.dcm.part") == 0)
            try archive.maintenance.resilver.run()
            #expect(try states(archive) == ["online", "online"])
        }
        #expect(try content(second + "/staging/incoming/w.dcm.part") == [1])
    }

    @Test("What was set aside on a failing volume is carried on when it is replaced")
    func replacedWithRejected() throws {
        try temporary.open { archive in
            try put(
                Array("alone".utf8), at: temporary.volumes[0] + "/rejected/2024-01-02/alone.txt")
            try put(Array("half".utf8), at: temporary.volumes[0] + "/staging/incoming/w.dcm.part")
            try archive.catalogue.record([.failing(1)])
            try archive.core.adoptVolumeRecords()
            _ = try archive.replaceVolume("1", with: temporary.folder.path("new"))
        }
        let staying = temporary.volumes[1]
        #expect(try content(staying + "/rejected/2024-01-02/alone.txt") == Array("alone".utf8))
        #expect(try content(staying + "/staging/incoming/w.dcm.part") == Array("half".utf8))
    }

    /// An image that is stored on both volumes, and not recorded yet.
    private func stored(_ image: [UInt8], _ archive: Archive) throws -> StagedIngest {
        let path = try temporary.folder.write(image, to: "late.dcm")
        let file = StagedFile(open(path, O_RDONLY))
        let request = IngestRequest(
            file: IngestFile(file.descriptor, owner: file), source: .incoming("late.dcm"),
            bytes: file.bytes,
            digest: nil)
        let stage = IngestStage(
            volumes: archive.volumes, index: archive.index, copies: (2, 1))
        let outcome = try stage.prepare(request, digest: .of(image), completion: { _ in })
        guard case .ready(let prepared) = outcome else {
            throw ArchiveError(.storage, "It is no image.")
        }
        #expect(prepared.volumes.count == 2)
        for volume in prepared.volumes { try volume.store([prepared.staged]) }
        return prepared
    }

    @Test("A copy on a volume that is replaced while it is stored does not count")
    func replacedMeanwhile() throws {
        try temporary.open { archive in
            let late = try stored(images[2], archive)
            try archive.catalogue.record([.failing(2)])
            archive.volumes.adopt(try archive.index.read { try $0.volumes() })
            _ = try archive.replaceVolume("2", with: temporary.folder.path("new"))
            #expect(throws: ArchiveError.self) { try archive.catalogue.record([late]) }
            try archive.catalogue.record([.copies([.of(images[0])], on: 2)])
            #expect(try archive.index.read { try $0.copies(of: 1)?.volumes } == [1])
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
            #expect(try archive.index.read { try $0.copies(of: 3)?.volumes } == [1, 3])
        }
    }

    @Test("A volume does not retire while an image came onto it that was not copied")
    func retiredMeanwhile() throws {
        let third = temporary.folder.path("third")
        try temporary.open { archive in
            let late = try stored(images[2], archive)
            _ = try archive.addVolume(at: third, domain: nil)
            _ = try archive.retireVolume("1")
            #expect(try archive.catalogue.record([late]).result == [.archived(3)])
            #expect(try !archive.administration.finishRetiring(1, copiedTo: 2) { false })
            #expect(try states(archive) == ["retiring", "online", "online"])
            try archive.maintenance.resilver.run()
            #expect(try states(archive) == ["online", "online"])
            #expect(try archive.index.read { try $0.copies(of: 3)?.volumes } == [2, 3])
        }
        try expect(3, at: third)
    }

    @Test(
        "A lost volume is replaced by an empty folder, at the same path or another",
        arguments: [true, false])
    func replaced(samePath: Bool) throws {
        let old = temporary.volumes[1]
        let new = samePath ? old : temporary.folder.path("new")
        try temporary.open { archive in
            #expect(throws: ArchiveError.self) { try archive.replaceVolume("2", with: new) }
            try move(2, away: true)
            archive.volumes.check()
            let change = try archive.replaceVolume(old, with: samePath ? nil : new)
            #expect(change.ordinal == 3)
            #expect(change.images == 2)
            try archive.maintenance.resilver.run()
            #expect(try missing(archive) == 0)
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
        }
        try expect(3, at: new)
        #expect(
            try Settings(file: temporary.path + "/pacsfs.toml").volumes.map(\.path) == [
                temporary.volumes[0], new,
            ])
        // The old one is no part of the archive any more, whereever it turns up.
        if !samePath {
            try move(2, away: false)
            try temporary.configure { $0 + "\n[[volume]]\npath = \"\(old)\"\n" }
            let now = try temporary.open { try states($0) }
            #expect(now == ["online", "online", "absent"])
        }
    }

    @Test("Replacing a volume that had the only copies says what would be lost")
    func onlyCopies() throws {
        try temporary.open { archive in
            try move(1, away: true)
            #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
            try move(1, away: false)
            archive.maintenance.watch.look()
            try move(2, away: true)
            archive.volumes.check()
            let error = try #require(throws: ArchiveError.self) {
                try archive.replaceVolume("2", with: nil)
            }
            #expect(error.description.contains("1 images"))
            _ = try archive.replaceVolume("2", with: nil, acceptingLoss: true)
            try archive.maintenance.resilver.run()
            _ = try #require(throws: ArchiveError.self) { try archive.openBlob(of: 3) }
            // Whoever still has the file gives it again.
            #expect(try archive.ingest(images[2], in: temporary.folder).duplicate == 3)
            close(try archive.openBlob(of: 3).descriptor)
        }
    }
}
