import Foundation
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import Testing

@testable import Archive

/// What is left of an archive that was closed.
@Suite("A closed archive")
struct LifetimeTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    private struct Parts {
        weak var archive: Archive?
        weak var volumes: VolumeSet?
        weak var catalogue: Catalogue?
        weak var ledger: Ledger?
        weak var index: TagIndex?
        weak var intake: Intake?
        weak var images: ImageReader?
        weak var administration: VolumeAdministration?
        weak var maintenance: Maintenance?
        weak var first: Volume?
        weak var second: Volume?

        init(_ archive: Archive) {
            self.archive = archive
            (volumes, catalogue, index) = (archive.volumes, archive.catalogue, archive.index)
            ledger = archive.catalogue.ledger
            (intake, images) = (archive.intake, archive.images)
            (administration, maintenance) = (archive.administration, archive.maintenance)
            (first, second) = (archive.volumes[1], archive.volumes[2])
        }

        /// The names of those that still exist.
        var left: [String] {
            let all: [(String, AnyObject?)] = [
                ("archive", archive), ("volumes", volumes), ("catalogue", catalogue),
                ("ledger", ledger), ("index", index), ("intake", intake), ("images", images),
                ("administration", administration), ("maintenance", maintenance),
                ("first volume", first), ("second volume", second),
            ]
            return all.filter { $0.1 != nil }.map(\.0)
        }
    }

    /// Opens the archive, uses all of it, and closes it.
    private func use() throws -> Parts {
        let archive = try Archive(at: temporary.path, log: temporary.log.logger)
        try archive.startMaintenance()
        let id = try #require(
            try archive.ingest(series(images: 1)[0], in: temporary.folder).archived)
        close(try archive.openBlob(of: id).descriptor)
        _ = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        _ = try archive.scrub()
        archive.close()
        return Parts(archive)
    }

    /// The files of the temporary archive that this process has open.
    private func openFiles() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }.filter { $0.hasPrefix(temporary.folder.path("")) }
    }

    @Test("All of it is deallocated, and no descriptor stays open")
    func deallocated() throws {
        let before = try openFiles()
        let parts = try use()
        #expect(parts.left.isEmpty)
        #expect(try openFiles() == before)
    }
}
