import Archive
import System
import Testing

@testable import FuseServer

@Suite("Reasons of files that wait or were set aside")
struct ReasonTests {
    private let fixture: TreeFixture

    init() throws { fixture = try TreeFixture() }

    private func reason(_ name: String) throws -> String? {
        try fixture.reason(of: fixture.tree.lookup(Array(name.utf8), in: fixture.root).ino)
    }

    @Test("A file of incoming says what it waits for, and an archived one nothing")
    func pending() throws {
        try fixture.save(image(1), as: "a.dcm.part")
        #expect(try reason("a.dcm.part")?.contains("when it is renamed") == true)
        let handle = try fixture.create("b.dcm")
        try fixture.write(image(2), to: handle)
        #expect(try reason("b.dcm")?.contains("closes it") == true)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        #expect(try reason("b.dcm") == nil)
        try fixture.save(Array("Dear client".utf8), as: "letter.txt")
        #expect(try reason("letter.txt")?.hasPrefix("Will be set aside: ") == true)
        try fixture.save([], as: "empty.dcm")
        #expect(try reason("empty.dcm")?.contains("empty") == true)
        try fixture.save([1], as: "Thumbs.db")
        #expect(try reason("Thumbs.db")?.contains("ignore") == true)
        let failing = try fixture.create("c.dcm")
        try fixture.write(image(3), to: failing)
        try fixture.fail(failing, "There was no room.")
        #expect(
            try reason("c.dcm")?.hasPrefix("Not stored: There was no room. It is tried again in ")
                == true)
        #expect(try fixture.reason(of: fixture.root) == nil)
        #expect(throws: Errno(116)) { try fixture.reason(of: 4711) }
    }

    @Test("A file of rejected says what its reason says, which has none itself")
    func rejected() throws {
        let tree = RejectedTree(
            staging: fixture.archive.staging, root: FixedEntry.rejected.number,
            permissions: .everybody)
        let folder = fixture.temporary.folder
        try folder.write(Array("x".utf8), to: "volume1/rejected/2024-05-01/a.txt")
        try folder.write(
            Array("It is no image. Nothing to do.\n".utf8),
            to: "volume1/rejected/2024-05-01/a.txt.reason.txt")
        try folder.write(Array("x".utf8), to: "volume1/rejected/2024-05-01/by hand")
        let day = try tree.lookup(Array("2024-05-01".utf8), in: FixedEntry.rejected.number).ino
        func reason(_ name: String) throws -> String? {
            try tree.extendedAttributes(of: tree.lookup(Array(name.utf8), in: day).ino)
                .first { $0.name == ExtendedAttribute.reason }?.value
        }
        #expect(try reason("a.txt") == "It is no image. Nothing to do.")
        #expect(try reason("a.txt.reason.txt") == nil)
        #expect(try reason("by hand") == nil)
        #expect(try tree.extendedAttributes(of: day).isEmpty)
    }
}
