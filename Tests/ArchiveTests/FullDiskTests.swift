import TestSupport
import Archive
import Foundation
import Glibc
import Storage
import SyntheticStudy
import TemporaryArchive
import Testing

@Suite("No room", .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"))
struct FullDiskTests {
    private static let megabyte = 1 << 20

    /// An archive whose second volume lies on a disk of 20 MiB, of which 8 MiB are kept free.
    private func withSmallDisk(_ body: (TemporaryArchive, SmallDisk) throws -> Void) throws {
        var disk: SmallDisk?
        let temporary = try TemporaryArchive { folder in
            let path = folder.path("volume2")
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            disk = try SmallDisk(at: path, bytes: 20 * Self.megabyte)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        try body(temporary, mounted)
    }

    private func image(_ seed: UInt64) -> [UInt8] {
        var image = SyntheticImage(seed: seed)
        image.minimumLength = 5 * Self.megabyte
        return image.write()
    }

    @Test(
        """
        A file that does not fit is refused early, leaves nothing, and is accepted when there is \
        space
        """
    )
    func full() throws {
        try withSmallDisk { temporary, disk in
            let images = (1...3).map { image(UInt64($0)) }
            try temporary.open { archive in
                for image in images.prefix(2) {
                    #expect(try archive.ingest(image, in: temporary.folder).archived != nil)
                }
                let before = try temporary.volumes.map(files(below:))

                let error = try #require(
                    try archive.ingest(images[2], from: "/cd/IM3", in: temporary.folder).error)
                #expect(error.code == .noSpace)
                #expect(error.description.hasPrefix("/cd/IM3 was not archived."))
                #expect(error.description.contains("deletes nothing"))
                #expect(try temporary.volumes.map(files(below:)) == before)
                #expect(try archive.index.read { try $0.totals().instances } == 2)
                let refused = try #require(throws: ArchiveError.self) {
                    try archive.checkRoom(for: Int64(images[2].count))
                }
                #expect(refused.code == .noSpace)
                #expect(try archive.capacity().free < Int64(images[2].count))

                // A duplicate needs no room.
                #expect(try archive.ingest(images[0], in: temporary.folder).duplicate == 1)

                #expect(
                    mount(
                        "tmpfs", disk.path, "tmpfs", UInt(MS_REMOUNT), "size=\(64 * Self.megabyte)")
                        == 0)
                #expect(
                    try archive.ingest(images[2], from: "/cd/IM3", in: temporary.folder).archived
                        == 3)
            }
            try temporary.expectBlobs(images)
        }
    }

    @Test("A file that cannot be rejected because the disk is full stays where it is")
    func reject() throws {
        try withSmallDisk { temporary, _ in
            let path = try temporary.folder.write(
                [UInt8](repeating: 65, count: 13 * Self.megabyte), to: "cd/film.avi")
            try temporary.open { archive in
                let results = archive.importFiles([ImportFile(path: path, rejectedPath: "film.avi")]
                )
                #expect(results.map(\.outcome) == [.failed])
                #expect(results[0].reason?.contains("13631488 bytes") == true)
            }
            for volume in temporary.volumes {
                #expect(try files(below: volume + "/rejected") == [])
            }
            #expect(try temporary.kinds()["reject"] == nil)
        }
    }

    @Test(
        "A third disk that another program fills completely stops nobody, and status says so"
    )
    func fullThird() throws {
        var disk: SmallDisk?
        let temporary = try TemporaryArchive(volumes: 3) { folder in
            let path = folder.path("volume3")
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            disk = try SmallDisk(at: path, bytes: 20 * Self.megabyte)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        let images = (1...3).map { image(UInt64($0)) }
        let clock = ManualClock()
        try temporary.open(clock: clock) { (archive) throws in
            func health() throws -> Health {
                try archive.status(pending: nil, readMode: nil, mountpoint: nil).health
            }
            #expect(try archive.ingest(images[0], in: temporary.folder).archived == 1)
            #expect(try health().level == .safe)
            let hog = open(mounted.path + "/hog", O_WRONLY | O_CREAT, 0o600)
            let block = [UInt8](repeating: 1, count: 65_536)
            while Glibc.write(hog, block, block.count) > 0 {}
            close(hog)
            // A few, for the page of the ledger that was begun is there already.
            for seed in 10..<40 {
                #expect(
                    try archive.ingest(
                        series(seed: UInt64(seed), images: 1)[0], in: temporary.folder
                    ).archived != nil)
            }
            #expect(try archive.ingest(images[1], in: temporary.folder).archived != nil)
            #expect(try health().level == .attention)
            #expect(try health().headline.contains(mounted.path))
            unlink(mounted.path + "/hog")
            // It is asked again every five seconds.
            clock.advance(by: 6)
            #expect(try archive.ingest(images[2], in: temporary.folder).archived != nil)
            // Meanwhile images went to the two volumes that are on one disk, and nothing else is
            // the matter.
            #expect(try health().headline.hasPrefix("NOT SAFE: 31 of 33 images are on one disk"))
            #expect(try health().reasons.count == 1)
        }
        let ends = try (1...3).map { try temporary.ledger(on: $0).last?.end.head }
        #expect(Set(ends).count == 1)
    }

    @Test("A disk that other programs fill makes one file fail and leaves nothing half stored")
    func filledByOthers() throws {
        try withSmallDisk { temporary, disk in
            let (first, second) = (image(1), image(2))
            try temporary.open { archive in
                #expect(try archive.ingest(first, in: temporary.folder).archived == 1)
                // Another program takes all there is, the reserve too.
                let hog = open(disk.path + "/hog", O_WRONLY | O_CREAT, 0o600)
                let block = [UInt8](repeating: 1, count: 65_536)
                while Glibc.write(hog, block, block.count) > 0 {}
                close(hog)
                let error = try archive.ingest(second, in: temporary.folder).error
                #expect(error?.code == .noSpace)
                for number in 1...2 { #expect(try temporary.staged(on: number) == []) }
                unlink(disk.path + "/hog")
                #expect(try archive.ingest(second, in: temporary.folder).archived == 2)
            }
            try temporary.expectBlobs([first, second])
        }
    }
}
