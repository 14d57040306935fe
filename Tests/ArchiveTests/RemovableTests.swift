import Foundation
import Storage
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// Disks that are taken home in turn.
@Suite("Removable volumes")
struct RemovableTests {
    private let temporary: TemporaryArchive
    private let images = series(images: 6)
    private let disk: String

    init() throws {
        temporary = try TemporaryArchive()
        disk = temporary.folder.path("usb/pacsfs")
        try FileManager.default.createDirectory(
            atPath: temporary.folder.path("usb"), withIntermediateDirectories: true)
        try temporary.archive(Array(images[0..<3]))
    }

    private func unplug(_ name: String) throws {
        try FileManager.default.moveItem(atPath: disk, toPath: temporary.folder.path(name))
    }

    private func plugIn(_ name: String) throws {
        try FileManager.default.moveItem(atPath: temporary.folder.path(name), toPath: disk)
    }

    private func status(_ archive: Archive) throws -> ArchiveStatus {
        archive.maintenance.removable.look()
        return try archive.status(pending: nil, readMode: nil, mountpoint: nil)
    }

    private func ingest(_ images: [[UInt8]], _ archive: Archive) throws {
        for image in images {
            _ = try #require(archive.ingest(image, in: temporary.folder).archived)
        }
    }

    private func blobs(_ path: String) throws -> Int {
        try files(below: path + "/blobs").count { $0.hasSuffix(".dcm") }
    }

    @Test("It gets everything, may be removed, ages, and catches up; nothing counts on it")
    func life() throws {
        let letter = try temporary.folder.write(Array("letter".utf8), to: "letter.txt")
        try temporary.open { archive in
            _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "letter.txt")])
            let before = try status(archive)
            _ = try archive.addRemovable(at: disk)
            var now = try status(archive)
            #expect(now.removable.map(\.state) == [.complete] && now.removable[0].missing == 0)
            #expect(now.health.level == before.health.level)
            #expect(now.copies.oneDisk == before.copies.oneDisk)
            #expect(now.volumes.count == 2 && now.ledger.ordinals == [1, 2])
            #expect(try blobs(disk) == 3)
            #expect(try contents(of: disk + "/README.txt").count > 500)
            #expect(try files(below: disk + "/rejected").contains { $0.hasSuffix("letter.txt") })
            // Nothing of it is open.
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
                .compactMap {
                    try? FileManager.default.destinationOfSymbolicLink(
                        atPath: "/proc/self/fd/\($0)")
                }
            #expect(!open.contains { $0.hasPrefix(disk) })
            try unplug("home")
            try ingest(Array(images[3..<5]), archive)
            now = try status(archive)
            #expect(now.removable.map(\.state) == [.absent] && now.removable[0].missing == 2)
            #expect(now.removable[0].complete != nil && now.health.level == before.health.level)
            #expect(StatusPage(now).html(at: now.time).contains("not here, 2 images since"))
        }
        try plugIn("home")
        try temporary.open { archive in
            let now = try status(archive)
            #expect(now.removable.map(\.state) == [.complete] && now.removable[0].missing == 0)
            #expect(try blobs(disk) == 5)
            #expect(try archive.index.read { try $0.totals() }.byCopies == [2: 5])
        }
        #expect(try ledgerBytes(disk) == ledgerBytes(temporary.volumes[0]))
    }

    private func ledgerBytes(_ volume: String) throws -> [UInt8] {
        let folder = volume + "/ledger"
        return try files(below: folder).sorted().flatMap { try contents(of: folder + "/" + $0) }
    }

    @Test("Two disks take turns at one path, each with its own age")
    func turns() throws {
        try temporary.open { archive in
            _ = try archive.addRemovable(at: disk)
            _ = try status(archive)
            try unplug("first")
            _ = try status(archive)
            try ingest([images[3]], archive)
            _ = try archive.addRemovable(at: disk)
            let now = try status(archive)
            #expect(now.removable.map(\.state) == [.absent, .complete])
            #expect(now.removable.map(\.missing) == [1, 0])
            let text = try String(contentsOfFile: temporary.path + "/pacsfs.toml", encoding: .utf8)
            #expect(text.matches(of: /role = "removable"/).count == 1)
        }
        #expect(try Settings(file: temporary.path + "/pacsfs.toml").removable == [disk])
    }

    @Test("What was lost on the disk is brought again when it is plugged in")
    func damaged() throws {
        try temporary.open { archive in
            _ = try archive.addRemovable(at: disk)
            _ = try status(archive)
            try unplug("home")
            _ = try status(archive)
            let name = try #require(
                try files(below: temporary.folder.path("home/blobs")).first { $0.hasSuffix("m") })
            try FileManager.default.removeItem(
                atPath: temporary.folder.path("home/blobs/" + name))
            try plugIn("home")
            #expect(try self.status(archive).removable.map(\.state) == [.complete])
            #expect(try blobs(disk) == 3)
        }
    }

    @Test("What rots on the disk is found by reading it once in 30 days, in parts, and made anew")
    func rot() throws {
        let clock = ManualClock()
        try temporary.open(clock: clock) { archive in
            _ = try archive.addRemovable(at: disk)
            #expect(try self.status(archive).removable[0].read != nil)
            let name = try #require(try files(below: disk + "/blobs").first { $0.hasSuffix("m") })
            let path = disk + "/blobs/" + name
            var bytes = try contents(of: path)
            bytes[bytes.count / 2] ^= 1
            chmod(path, 0o644)
            try Files.write(bytes, to: path)
            #expect(try self.status(archive).removable[0].bad == 0)
            clock.advance(by: 30 * 86_400 + 1)
            let now = try self.status(archive).removable[0]
            #expect(now.bad == 1 && now.state == .complete)
            #expect(
                try Digest.of(contents(of: path)).hex + ".dcm" == name.split(separator: "/").last!)
            #expect(try files(below: disk + "/rejected/bad-blobs").count == 1)
        }
    }

    @Test("The disks of a path are given up by volume retire, and keep what they have")
    func retire() throws {
        try temporary.open { archive in
            _ = try archive.addRemovable(at: disk)
            #expect(try self.status(archive).removable.count == 1)
            let change = try archive.retireVolume(disk)
            #expect(change.isRemovable == true)
            #expect(try self.status(archive).removable.isEmpty && blobs(disk) == 3)
            #expect(throws: ArchiveError.self) { try archive.retireVolume(disk) }
        }
        #expect(try Settings(file: temporary.path + "/pacsfs.toml").removable == [])
        // It may come back.
        try temporary.open { archive in
            _ = try archive.addRemovable(at: disk)
            #expect(try self.status(archive).removable.map(\.state) == [.complete])
        }
    }

    @Test("After a fire the archive comes back from the disk alone")
    func alone() throws {
        try temporary.open { archive in
            _ = try archive.addRemovable(at: disk)
            #expect(try self.status(archive).removable.map(\.state) == [.complete])
        }
        let paths = try temporary.open { archive in
            try archive.index.read { reader in try (1...3).map { try reader.details($0)?.paths } }
        }
        for lost in temporary.volumes + [temporary.path] {
            try FileManager.default.removeItem(atPath: lost)
        }
        let new = temporary.folder.path("new")
        let summary = try Archive.create(
            at: new, from: disk, others: [], copies: 1, log: temporary.log.logger,
            progress: { _ in })
        #expect(summary.images == 3 && summary.offlineOnly == 0)
        let archive = try Archive(at: new, log: temporary.log.logger)
        defer { archive.close() }
        #expect(
            try archive.index.read { reader in try (1...3).map { try reader.details($0)?.paths } }
                == paths)
        for id in 1...3 { _ = try archive.openBlob(of: Int64(id)) }
        let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        #expect(status.copies.lost == 0 && status.copies.offlineOnly == 0)
        #expect(status.volumes.first { $0.path == disk }?.state == .online)
    }
}
