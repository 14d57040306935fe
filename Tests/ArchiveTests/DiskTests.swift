import Foundation
import Glibc
import Storage
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// Volumes that share disks. Disks are small ones in memory; what is next to them is the disk of
/// the system.
@Suite("Disks", .enabled(if: SmallDisk.isPossible, "mounting needs root"))
final class DiskTests {
    private let temporary: TemporaryArchive
    private let disks: [SmallDisk]

    /// Two volumes, each on a disk of its own.
    init() throws {
        var disks: [SmallDisk] = []
        temporary = try TemporaryArchive { folder in
            for number in 1...2 {
                disks.append(try Self.disk(at: folder.path("volume\(number)")))
            }
        }
        self.disks = disks
        try temporary.configure { $0.replacing("# min_copies = 1", with: "min_copies = 1") }
    }

    deinit { for disk in disks { disk.unplug() } }

    private static func disk(at path: String) throws -> SmallDisk {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return try SmallDisk(at: path, bytes: 96 << 20)
    }

    private func status(_ archive: Archive) throws -> ArchiveStatus {
        try archive.status(pending: nil, readMode: nil, mountpoint: nil)
    }

    private func ingest(_ images: [[UInt8]], _ archive: Archive) throws {
        for image in images {
            #expect(try archive.ingest(image, in: temporary.folder).archived != nil)
        }
    }

    @Test("A new archive takes images with one copy while a disk is away")
    func newArchive() throws {
        let path = temporary.folder.path("other")
        try Archive.create(
            at: path,
            volumes: ["x", "y"].map { .init(path: temporary.folder.path($0), domain: $0) },
            copies: 2)
        let settings = try Settings(file: path + "/pacsfs.toml")
        #expect((settings.copies, settings.minimumCopies) == (2, 1))
    }

    @Test("With one of two disks away images have one copy, and nothing is called safe meanwhile")
    func away() throws {
        let images = series(images: 4)
        try temporary.open { archive in
            try ingest(Array(images.prefix(2)), archive)
            let before = try status(archive)
            #expect(before.health.level == .safe && before.copies.oneDisk == 0)
            #expect(Set(before.volumes.map(\.disk)).count == 2)
            disks[1].unplug()
            try ingest(Array(images.suffix(2)), archive)
            let away = try status(archive)
            #expect(away.health.level == .attention)
            #expect((away.copies.single, away.copies.oneDisk) == (2, 4))
            #expect(
                away.health.headline.hasPrefix(
                    "NOT SAFE: \(temporary.volumes[1]) is absent, and all 4 images are on "))
            #expect(
                temporary.log.messages(.error).contains {
                    $0.hasPrefix("NOT SAFE: 2 copies of each image are wanted")
                })
        }
    }

    @Test("Volumes on one disk are not two copies; one on another disk makes the archive safe")
    func sharedDisk() throws {
        let images = series(images: 3)
        let trial = try TemporaryArchive()
        let third = trial.folder.path("third")
        let disk = try Self.disk(at: third)
        defer { disk.unplug() }
        try trial.open { archive in
            for image in images { _ = try archive.ingest(image, in: trial.folder) }
            let shared = try status(archive)
            #expect(shared.health.level == .attention)
            #expect((shared.copies.oneDisk, shared.copies.underReplicated) == (3, 0))
            #expect(
                shared.health.headline.hasPrefix(
                    """
                    NOT SAFE: all 3 images are stored 2 times, but both volumes are on one disk \
                    (\(shared.volumes[0].disk ?? "?")): if it fails, everything is lost.
                    """))
            #expect(shared.volumes[0].disk == shared.volumes[1].disk)
            _ = try archive.addVolume(at: third, domain: nil)
            #expect(try status(archive).copies.oneDisk == 3)
            try archive.maintenance.resilver.run()
            let safe = try status(archive)
            #expect(safe.copies.oneDisk == 0 && safe.health.level == .safe, "\(safe.health)")
            #expect(try archive.index.read { try $0.blobs(on: 3) } == 3)
            // It is done once, and new images are on both disks from the beginning.
            try archive.maintenance.resilver.run()
            #expect(archive.maintenance.resilver.progress.copies == 0)
            let late = try #require(
                try archive.ingest(series(seed: 9, images: 1)[0], in: trial.folder).archived)
            #expect(try archive.index.read { try $0.copies(of: late)?.volumes.contains(3) } == true)
            #expect(try status(archive).health.level == .safe)
        }
    }

    @Test("A volume that is added while another is away gets the copies that are out of reach")
    func addedInstead() throws {
        let images = series(images: 3)
        let third = temporary.folder.path("third")
        let disk = try Self.disk(at: third)
        defer { disk.unplug() }
        try temporary.open { archive in
            try ingest(images, archive)
            disks[1].unplug()
            archive.volumes.check()
            // A disk that is only unplugged costs no copies elsewhere.
            try archive.maintenance.resilver.run()
            #expect(archive.maintenance.resilver.progress.copies == 0)
            _ = try archive.addVolume(at: third, domain: nil)
        }
        // Also when the daemon ends in between.
        try temporary.open { archive in
            #expect(try status(archive).copies.oneDisk == 3)
            try archive.maintenance.resilver.run()
            let now = try status(archive)
            #expect(now.copies.oneDisk == 0)
            #expect(try archive.index.read { try $0.blobs(on: 3) } == 3)
        }
    }

    @Test("What takes the place of a volume with a disk of its own must have one too")
    func replacing() throws {
        let lost = temporary.volumes[1]
        let fresh = temporary.folder.path("fresh")
        let disk = try Self.disk(at: fresh)
        defer { disk.unplug() }
        try temporary.open { archive in
            try ingest(series(), archive)
            disks[1].unplug()
            archive.volumes.check()
        }
        let before = try files(below: temporary.folder.path)
        // Also after a restart without the disk.
        try temporary.open { archive in
            for place in [
                nil, lost, temporary.folder.path("elsewhere"), temporary.volumes[0] + "-beside",
            ] {
                let error = try #require(throws: ArchiveError.self) {
                    try archive.replaceVolume("2", with: place)
                }
                #expect(error.description.contains("Is the new disk mounted?"), "\(error)")
                #expect(error.description.contains("--accept-shared-disk"))
            }
            // The disk of the other volume is no better.
            let beside = try #require(throws: ArchiveError.self) {
                try archive.replaceVolume("2", with: temporary.volumes[0] + "/../volume1/blobs")
            }
            #expect(beside.code == .configuration)
        }
        let mine = try files(below: temporary.folder.path).filter { !$0.hasPrefix("archive/") }
        #expect(mine == before.filter { !$0.hasPrefix("archive/") })
        try temporary.open { archive in
            #expect(try archive.replaceVolume("2", with: fresh).ordinal == 3)
            try archive.maintenance.resilver.run()
            #expect(try status(archive).health.level == .safe)
        }
    }

    @Test("On purpose it may share a disk, and status says what that means")
    func replacingOnPurpose() throws {
        try temporary.open { archive in
            try ingest(series(), archive)
            disks[1].unplug()
            archive.volumes.check()
            let place = temporary.volumes[0] + "/another"
            // Volumes do not lie in one another, so that this is the system's disk.
            #expect(throws: ArchiveError.self) {
                try archive.replaceVolume("2", with: place, acceptingSharedDisk: true)
            }
            let change = try archive.replaceVolume("2", with: nil, acceptingSharedDisk: true)
            #expect(change.ordinal == 3)
            try archive.maintenance.resilver.run()
            // The system's disk is another one than that of volume 1.
            #expect(try status(archive).health.level == .safe)
        }
    }
}
