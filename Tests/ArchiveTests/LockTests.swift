import TestSupport
import Archive
import Foundation
import Storage
import TemporaryArchive
import Testing

@Suite("One process at a time")
struct LockTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    @Test("A second opener is refused, with the process that has the archive")
    func second() throws {
        try temporary.open { archive in
            let error = try #require(throws: ArchiveError.self) { try temporary.open { _ in } }
            #expect(error.code == .locked)
            #expect(error.description.contains("process \(getpid())"))
            #expect(error.description.contains(temporary.path))
            #expect(Archive.holder(of: temporary.path) == getpid())
            // The first one is not disturbed.
            #expect(try archive.ingest(series(images: 1)[0], in: temporary.folder).archived == 1)
        }
        #expect(Archive.holder(of: temporary.path) == nil)
        try temporary.open { _ in }
    }

    @Test("A volume that another directory of the archive works with is not touched")
    func secondDirectory() throws {
        let images = series(images: 3)
        try temporary.archive([images[0]])
        let again = temporary.folder.path("again")
        func revive(_ path: String) throws {
            _ = try Archive.create(
                at: path, from: temporary.volumes[0], others: [], copies: 2,
                log: temporary.log.logger
            ) { _ in }
        }
        try revive(again)
        try temporary.open { archive in
            let refusal = try #require(throws: ArchiveError.self) {
                _ = try Archive(at: again, log: temporary.log.logger)
            }
            #expect(
                refusal.code == .locked && refusal.description.contains("process \(getpid())"),
                "\(refusal)")
            #expect(throws: ArchiveError.self) {
                _ = try Archive.rebuild(at: again, log: temporary.log.logger) { _ in }
            }
            let third = temporary.folder.path("third")
            let error = try #require(throws: ArchiveError.self) { try revive(third) }
            #expect(error.code == .locked && error.description.contains(temporary.volumes[0]))
            #expect(!FileManager.default.fileExists(atPath: third))
            // The first one is not disturbed.
            #expect(try archive.ingest(images[1], in: temporary.folder).archived == 2)
        }
        let archive = try Archive(at: again, log: temporary.log.logger)
        #expect(throws: ArchiveError.self) {
            _ = try Archive(at: temporary.path, log: temporary.log.logger)
        }
        #expect(try archive.ingest(images[2], in: temporary.folder).archived == 3)
        archive.close()
        let instances = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil).instances
        }
        #expect(instances == 3)
    }

    @Test(
        "A volume that goes is let go, and is taken again when it comes back and nobody else has it"
    )
    func awayAndBack() throws {
        try temporary.open { archive in
            try archive.startMaintenance()
            let path = temporary.volumes[1]
            func volume() throws -> ArchiveStatus.Volume {
                try archive.status(pending: nil, readMode: nil, mountpoint: nil).volumes[1]
            }
            let other = try Volume.open(at: path, archive: archive.id)
            #expect(throws: StorageError.self) { try other.claim() }
            try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
            #expect(try eventually { try volume().state == .absent })
            try other.claim()
            try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
            #expect(
                try eventually { try volume().problem?.contains("process \(getpid())") == true })
            #expect(try volume().state == .absent)
            other.release()
            #expect(try eventually { try volume().state == .online })
            #expect(throws: StorageError.self) { try other.claim() }
        }
    }

    @Test("The holder of a volume is found among more locks than the kernel lists at once")
    func manyLocks() throws {
        try temporary.open { archive in
            let files = try (0..<400).map { number in
                let file = open(
                    temporary.folder.path("\(number)"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
                try #require(file >= 0 && flock(file, LOCK_EX) == 0)
                return file
            }
            defer { for file in files { close(file) } }
            let other = try Volume.open(at: temporary.volumes[1], archive: archive.id)
            let refusal = try #require(throws: StorageError.self) { try other.claim() }
            #expect("\(refusal)".contains("process \(getpid())"))
        }
    }

    @Test("The leftovers of a dead process in the lock file do not matter")
    func stale() throws {
        try Data("4194303\n".utf8).write(to: URL(fileURLWithPath: temporary.path + "/lock"))
        #expect(Archive.holder(of: temporary.path) == nil)
        try temporary.open { _ in #expect(Archive.holder(of: temporary.path) == getpid()) }
    }

    @Test("An archive that could not be opened is not kept")
    func failedOpening() throws {
        try temporary.configure { $0.replacing(temporary.folder.path, with: "/nowhere") }
        let error = try #require(throws: ArchiveError.self) { try temporary.open { _ in } }
        #expect(error.code == .storage)
        #expect(Archive.holder(of: temporary.path) == nil)
    }

    @Test("A missing volume has no holder")
    func nothing() {
        #expect(Archive.holder(of: temporary.folder.path("missing")) == nil)
    }
}
