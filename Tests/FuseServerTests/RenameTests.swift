import Archive
import CFuse3
import Glibc
import Storage
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Renaming in incoming")
struct RenameTests {
    private let fixture: TreeFixture

    init() throws { fixture = try TreeFixture() }

    @Test(
        """
        A temporary file that gets its final name is archived before rename answers, under that \
        name
        """
    )
    func rsync() throws {
        let bytes = image(1)
        try fixture.save(bytes, as: ".IM1.dcm.Ab3dE6")
        #expect(try fixture.instances == 0)
        #expect(fixture.rename(".IM1.dcm.Ab3dE6", to: "IM1.dcm") == 0)
        #expect(try fixture.isBlob(bytes))
        #expect(try fixture.left == ["IM1.dcm"])
        #expect(try fixture.archive.index.read { try $0.details(1) }?.source == "incoming/IM1.dcm")
    }

    @Test("What is not closed yet is archived when it is closed, under its new name")
    func whileOpen() throws {
        let bytes = image(1)
        let handle = try fixture.create("IM1.dcm.part")
        try fixture.write(bytes, to: handle)
        #expect(fixture.rename("IM1.dcm.part", to: "IM1.dcm") == 0)
        #expect(try fixture.instances == 0)
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.isBlob(bytes))
        #expect(try fixture.archive.index.read { try $0.details(1) }?.source == "incoming/IM1.dcm")
    }

    @Test("An archived file may be renamed; it is not archived again, and its inode stays")
    func afterArchiving() throws {
        let bytes = image(1)
        try fixture.save(bytes, as: "IM1.dcm")
        let before = try fixture.tree.lookup(Array("IM1.dcm".utf8), in: fixture.root)
        #expect(fixture.rename("IM1.dcm", to: "IM2.dcm") == 0)
        let after = try fixture.tree.lookup(Array("IM2.dcm".utf8), in: fixture.root)
        #expect((after.ino, after.attr.st_ino) == (before.ino, before.attr.st_ino))
        #expect(try fixture.instances == 1)
        #expect(try fixture.isBlob(bytes))
    }

    @Test("What had the name before is gone from incoming, and stays archived")
    func replaces() throws {
        try fixture.save(image(1), as: "IM1.dcm")
        try fixture.save(image(2), as: "new.part")
        #expect(fixture.rename("new.part", to: "IM1.dcm") == 0)
        #expect(try fixture.left == ["IM1.dcm"])
        #expect(try fixture.bytes(of: fixture.open("IM1.dcm", flags: O_RDONLY)) == image(2))
        #expect(try fixture.isBlob(image(1)))
        #expect(try fixture.isBlob(image(2)))
    }

    @Test("A name that must be new is not taken away")
    func mustBeNew() throws {
        try fixture.save(image(1), as: "IM1.dcm")
        try fixture.save(image(2), as: "IM2.dcm")
        #expect(fixture.rename("IM2.dcm", to: "IM1.dcm", mustBeNew: true) == EEXIST)
        #expect(try fixture.left == ["IM1.dcm", "IM2.dcm"])
        #expect(fixture.rename("IM2.dcm", to: "IM3.dcm", mustBeNew: true) == 0)
    }

    @Test("Onto another name of the same inode the old name goes, as a program expects")
    func sameInode() throws {
        try fixture.save(image(1), as: "a.dcm")
        #expect(link(fixture.path("a.dcm"), fixture.path("b.dcm")) == 0)
        #expect(fixture.rename("a.dcm", to: "b.dcm") == 0)
        #expect(try fixture.left == ["b.dcm"])
        #expect(try fixture.isBlob(image(1)))
        // And onto itself nothing happens.
        #expect(fixture.rename("b.dcm", to: "b.dcm") == 0)
        #expect(try fixture.left == ["b.dcm"])
    }

    @Test("Files move between directories, and directories with what is in them")
    func directories() throws {
        let (from, to) = (try fixture.makeDirectory("from"), try fixture.makeDirectory("to"))
        try fixture.save(image(1), as: "IM1.part", in: from)
        #expect(fixture.rename("IM1.part", in: from, to: "IM1.dcm", below: to) == 0)
        #expect(try fixture.left == ["to/IM1.dcm"])
        #expect(
            try fixture.archive.index.read { try $0.details(1) }?.source == "incoming/to/IM1.dcm")
        #expect(fixture.rename("to", to: "deeper", below: from) == 0)
        #expect(try fixture.left == ["from/deeper/IM1.dcm"])
        #expect(
            try fixture.tree.lookup(Array("IM1.dcm".utf8), in: to).attr.st_size == image(1).count)
        #expect(fixture.rename("from", to: "inner", below: to) == EINVAL)
        #expect(fixture.rename("from", in: fixture.root, to: "from", below: fixture.root) == 0)
    }

    @Test("What does not work says why")
    func errors() throws {
        let directory = try fixture.makeDirectory("folder")
        try fixture.save([1], as: "x.part")
        try fixture.save([1], as: "y.part", in: directory)
        #expect(fixture.rename("missing", to: "other") == ENOENT)
        #expect(fixture.rename("x.part", to: "folder") == EISDIR)
        #expect(fixture.rename("folder", to: "x.part") == ENOTDIR)
        let other = try fixture.makeDirectory("other")
        try fixture.save([1], as: "z.part", in: other)
        #expect(fixture.rename("other", to: "folder") == ENOTEMPTY)
        #expect(fixture.rename("x.part", to: "x.part", below: 3 << 48 | 99) == ESTALE)
        let file = try fixture.tree.lookup(Array("x.part".utf8), in: fixture.root).ino
        #expect(fixture.rename("folder", to: "inside", below: file) == ENOTDIR)
        #expect(try fixture.left == ["folder/y.part", "other/z.part", "x.part"])
    }
}
