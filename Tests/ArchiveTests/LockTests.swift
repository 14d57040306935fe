import Archive
import Foundation
import TemporaryArchive
import Testing

@Suite("One process at a time")
struct LockTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    @Test("A second opener is refused, and told which process has the archive")
    func second() throws {
        try temporary.open { archive in
            let error = try #require(throws: ArchiveError.self) { try temporary.open { _ in } }
            #expect(error.code == .locked)
            #expect(error.message.contains("process \(getpid())"))
            #expect(error.message.contains(temporary.path))
            #expect(Archive.holder(of: temporary.path) == getpid())
            // The first one is not disturbed.
            #expect(try archive.ingest(series(images: 1)[0], in: temporary.folder).archived == 1)
        }
        #expect(Archive.holder(of: temporary.path) == nil)
        try temporary.open { _ in }
    }

    @Test("What a process that has died left in the lock does not matter")
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

    @Test("Nobody has what is not there")
    func nothing() {
        #expect(Archive.holder(of: temporary.folder.path("missing")) == nil)
    }
}
