import Foundation
import Glibc
import Storage
import System
import TagIndex
import Testing

@testable import Archive

/// The shape that any error gets on its way out of the archive.
@Suite("An error of the archive")
struct ArchiveErrorTests {
    private struct Stray: Error {}

    @Test("An error of a volume keeps its path, its cause and its remedy")
    func storage() throws {
        let path = "/nowhere/\(UInt64.random(in: 0 ... .max))"
        let storage = try #require(throws: StorageError.self) {
            try Volume.open(at: path, archive: nil)
        }
        let error = ArchiveError(storage)
        #expect(error.code == .notFound && error.path == path)
        #expect((error.cause as? Errno)?.code == ENOENT)
        #expect(error.remedy == storage.remedy && !error.remedy.isEmpty)
        #expect(error.description == storage.description)
    }

    @Test("A file that Foundation cannot write is not a damaged index")
    func foundation() throws {
        let cocoa = try #require(throws: CocoaError.self) {
            try Data([1]).write(to: URL(filePath: "/nowhere/file"))
        }
        let error = ArchiveError(cocoa)
        #expect(error.code == .file && error.path == "/nowhere/file")
        #expect((error.cause as? Errno)?.code == ENOENT)
        #expect(error.description.contains("/nowhere/file"))
        #expect(ArchiveError(CocoaError(.fileWriteOutOfSpace)).code == .noSpace)
    }

    @Test("An error of the system, of the index, and any other has a code of its own")
    func others() throws {
        #expect(ArchiveError(Errno(EAGAIN)).code == .resources)
        let damage = IndexError(.corrupt, "It is damaged", remedy: "Mount it again.")
        #expect(ArchiveError(damage).code == .index)
        #expect(ArchiveError(damage).description == "It is damaged. Mount it again.")
        let query = IndexError(
            .badQuery, "\"colour\" is not an attribute", remedy: "Use a DICOM keyword.")
        #expect(ArchiveError(query).code == .configuration)
        #expect(
            ArchiveError(query).description
                == "\"colour\" is not an attribute. Use a DICOM keyword.")
        let stray = ArchiveError(Stray())
        #expect(stray.code == .unexpected && stray.cause is Stray)
        #expect(stray.description.contains("please report it"))
    }

    @Test("A prefix does not hide the rest")
    func prefixed() {
        let error = ArchiveError(.storage, "it cannot be read", path: "/a", cause: Errno(EIO))
            .prefixed("a.dcm was not archived.")
        #expect(
            error.description
                == "a.dcm was not archived. it cannot be read: /a (Input/output error)")
    }
}
