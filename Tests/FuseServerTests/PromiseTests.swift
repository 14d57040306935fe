import Archive
import CFuse3
import Glibc
import Storage
import System
import TemporaryArchive
import Testing

@testable import FuseServer

/// A large zip archive whose RENAME was answered, and what takes its name before it is unpacked.
@Suite("Promised files of incoming")
struct PromiseTests {
    private let fixture: TreeFixture

    init() throws {
        fixture = try TreeFixture(settle: 0.2)
        // Nothing is unpacked from now on, as when pacsfs is being stopped.
        fixture.archive.drain()
    }

    /// Saves a zip archive with one image that takes long, as far as its size tells, and renames
    /// it.
    private func move(_ seed: UInt64, to name: String) throws {
        let padding = [UInt8](repeating: 0, count: Int(IncomingTree.largestAtOnce))
        let zip = ZipWriter.zip([("IM.dcm", image(seed)), ("Thumbs.db", padding)], stored: true)
        #expect(try fixture.save(zip, as: ".\(seed).part") == 0)
        #expect(fixture.rename(".\(seed).part", to: name) == 0)
        fixture.tree.renames.wait()
    }

    private var pending: Int { Settling { [tree = fixture.tree] in tree }.pending }

    @Test(
        """
        One that is renamed over, written to or truncated keeps a name, and is unpacked by the \
        next start
        """
    )
    func nameTaken() throws {
        try move(1, to: "x.zip")
        try move(2, to: "x.zip")
        #expect(try fixture.left == ["x (1).zip", "x.zip"])
        #expect(pending == 2)
        // As cp does: 2 is "x (2).zip" then.
        let over = try fixture.open("x.zip", flags: O_WRONLY | O_TRUNC)
        try fixture.write(Array("No zip archive".utf8), to: over)
        fixture.tree.release(over)
        #expect(try fixture.left == ["x (1).zip", "x (2).zip", "x.zip"])
        #expect(pending == 3)
        // As truncate(1) does.
        let number = try fixture.tree.lookup(Array("x (1).zip".utf8), in: fixture.root).ino
        #expect(
            try fixture.tree.setAttributes(
                number, to: stat(), which: FUSE_SET_ATTR_SIZE
            ).st_size == 0)
        #expect(try fixture.left == ["x (1) (1).zip", "x (1).zip", "x (2).zip", "x.zip"])
        try fixture.startAgain()
        #expect(try fixture.isBlob(image(1)) && fixture.isBlob(image(2)))
        #expect(try fixture.rejected().keys.sorted() == ["x (1).zip", "x.zip"])
    }

    @Test("After a start it is promised as well, and a move that fails leaves it its name")
    func afterStart() throws {
        try move(1, to: "x.zip")
        let tree = IncomingTree(
            staging: fixture.archive.staging, root: fixture.root,
            archive: fixture.archive, permissions: .everybody)
        tree.addLeftovers()
        _ = try fixture.makeDirectory("folder")
        let target = IncomingTree.Target(
            name: Array("x.zip".utf8), parent: fixture.root, mustBeNew: false)
        #expect(throws: Errno(ENOTDIR)) {
            try tree.move(
                .init(name: Array("folder".utf8), directory: fixture.root), to: target)
        }
        #expect(try fixture.left == ["x.zip"])
        let number = try tree.lookup(target.name, in: fixture.root).ino
        tree.release(try tree.open(number, flags: O_WRONLY | O_TRUNC))
        #expect(try fixture.left == ["x (1).zip", "x.zip"])
        // Again: what is there now is nobody's.
        tree.release(try tree.open(number, flags: O_WRONLY | O_TRUNC))
        #expect(try fixture.left == ["x (1).zip", "x.zip"])
    }

    @Test("A free name keeps the ending and whole characters, and is no longer than a name may be")
    func numbered() {
        func numbered(_ name: String, _ number: Int = 1) -> String {
            String(decoding: IncomingTree.numbered(Array(name.utf8), number), as: UTF8.self)
        }
        #expect(numbered("x.zip") == "x (1).zip")
        #expect(numbered("x", 12) == "x (12)")
        #expect(numbered(".zip") == ".zip (1)")
        let long = numbered(String(repeating: "ü", count: 125) + "a.zip")
        #expect(long == String(repeating: "ü", count: 123) + " (1).zip")
    }
}
