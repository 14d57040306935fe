import CFuse3
import Foundation
import Glibc
import System
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import FuseServer

@Suite("Directories in incoming, and what the kernel forgets")
struct IncomingDirectoryTests {
    private let fixture: TreeFixture

    init() throws { fixture = try TreeFixture() }

    private func lookup(_ name: String, in parent: UInt64? = nil) throws -> fuse_entry_param {
        try fixture.tree.lookup(Array(name.utf8), in: parent ?? fixture.root)
    }

    private func names(_ snapshot: DirectorySnapshot) -> [String] {
        snapshot.entries.map { String(decoding: $0.name, as: UTF8.self) }.sorted()
    }

    @Test("Directories are made, found, listed and removed")
    func lifeOfDirectories() throws {
        let outer = try fixture.makeDirectory("CD 1")
        let inner = try fixture.makeDirectory("DICOM", in: outer)
        try fixture.save(image(1), as: "IM1.dcm", in: inner)
        #expect(try lookup("DICOM", in: outer).ino == inner)
        #expect(try lookup("DICOM", in: outer).attr.st_mode & S_IFMT == S_IFDIR)
        #expect(try names(fixture.tree.openDirectory(outer)) == ["DICOM"])
        #expect(try fixture.tree.openDirectory(outer).entries.map(\.isDirectory) == [true])
        #expect(throws: Errno(EEXIST)) { try fixture.makeDirectory("CD 1") }
        #expect(throws: Errno(ENOTEMPTY)) {
            try fixture.tree.removeDirectory(Array("DICOM".utf8), in: outer)
        }
        #expect(throws: Errno(ENOTDIR)) {
            try fixture.tree.removeDirectory(Array("IM1.dcm".utf8), in: inner)
        }
        #expect(throws: Errno(EISDIR)) { try fixture.tree.unlink(Array("DICOM".utf8), in: outer) }
        try fixture.tree.unlink(Array("IM1.dcm".utf8), in: inner)
        try fixture.tree.removeDirectory(Array("DICOM".utf8), in: outer)
        #expect(throws: Errno(ENOENT)) { try lookup("DICOM", in: outer) }
        #expect(try fixture.isBlob(image(1)))
    }

    @Test(
        """
        A directory that was removed while somebody is in it takes nothing, least of all into \
        the root
        """
    )
    func removedDirectory() throws {
        let directory = try fixture.makeDirectory("gone")
        try fixture.tree.removeDirectory(Array("gone".utf8), in: fixture.root)
        #expect(throws: Errno(ESTALE)) { try fixture.create("IM1.dcm", in: directory) }
        #expect(throws: Errno(ESTALE)) { try fixture.makeDirectory("inner", in: directory) }
        #expect(throws: Errno(ESTALE)) { try lookup("IM1.dcm", in: directory) }
        #expect(throws: Errno(ESTALE)) { try fixture.tree.openDirectory(directory) }
        #expect(try fixture.left == [])
    }

    @Test("A number is never given again, also when the name is")
    func freshNumbers() throws {
        var numbers: Set<UInt64> = []
        for _ in 0..<20 {
            try fixture.save([1], as: "x.part")
            numbers.insert(try lookup("x.part").ino)
            try fixture.tree.unlink(Array("x.part".utf8), in: fixture.root)
        }
        #expect(numbers.count == 20)
        let kinds = numbers.map { InodeNumber(rawValue: $0) }
        #expect(kinds.allSatisfy { if case .incoming = $0 { true } else { false } })
        // Nor those of an earlier run.
        let clock = ManualClock()
        func start() -> IncomingTree {
            IncomingTree(
                staging: fixture.archive.staging, root: fixture.root,
                archive: fixture.archive, permissions: .everybody, clock: clock)
        }
        let later = start()
        try fixture.save([1], as: "y.part")
        clock.advance(by: 1.1)
        let third = start()
        let last = try third.lookup(Array("y.part".utf8), in: fixture.root).ino
        #expect(try last > later.lookup(Array("y.part".utf8), in: fixture.root).ino)
        #expect(try #require(numbers.max()) < last)
    }

    @Test("A name that another program put there, or replaced, is a file of its own")
    func behindOurBack() throws {
        try fixture.temporary.folder.write([1, 2], to: "volume1/staging/incoming/found.part")
        let first = try lookup("found.part")
        #expect(first.attr.st_size == 2)
        try fixture.temporary.folder.write([1, 2, 3], to: "volume1/staging/incoming/other")
        #expect(Glibc.rename(fixture.path("other"), fixture.path("found.part")) == 0)
        let second = try lookup("found.part")
        #expect(second.ino != first.ino)
        #expect(second.attr.st_size == 3)
        unlink(fixture.path("found.part"))
        #expect(throws: Errno(ENOENT)) { try lookup("found.part") }
    }

    @Test("What is neither file nor directory is not shown")
    func links() throws {
        #expect(symlink("/etc/passwd", fixture.path("link")) == 0)
        #expect(mkfifo(fixture.path("pipe"), 0o600) == 0)
        for name in ["link", "pipe"] {
            #expect(throws: Errno(ENOENT)) { try lookup(name) }
        }
        #expect(try fixture.tree.openDirectory(fixture.root).entries.isEmpty)
        // A directory that is a link is not gone into.
        #expect(symlink("/etc", fixture.path("etc")) == 0)
        #expect(throws: Errno(ENOENT)) { try lookup("etc") }
    }

    @Test("A number is good until the kernel has forgotten it as often as it was told")
    func forget() throws {
        try fixture.temporary.folder.write([1], to: "volume1/staging/incoming/a")
        let number = try lookup("a").ino
        #expect(try lookup("a").ino == number)
        fixture.tree.forget(number, count: 1)
        #expect(try fixture.tree.attributes(of: number).st_size == 1)
        fixture.tree.forget(number, count: 1)
        #expect(throws: Errno(ESTALE)) { try fixture.tree.attributes(of: number) }
        // Too often, or something unknown, or the root, is no matter.
        fixture.tree.forget(number, count: 5)
        fixture.tree.forget(fixture.root, count: 100)
        #expect(try lookup("a").ino != number)
    }

    @Test("A file that is still to be archived, or is open, is kept when the kernel forgets it")
    func forgetUnsettled() throws {
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(image(1), to: handle)
        fixture.tree.forget(handle.number, count: 1)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        #expect(try lookup("IM1.dcm").ino == handle.number)

        let directory = try fixture.makeDirectory("CD")
        let inner = try fixture.create("IM2.dcm", in: directory)
        fixture.tree.forget(directory, count: 1)
        try fixture.write(image(2), to: inner)
        #expect(fixture.flush(inner) == 0)
        #expect(
            try fixture.archive.index.read { try $0.details(2) }?.source == "incoming/CD/IM2.dcm")
    }

    @Test("A forgotten directory is met again with all that is in it")
    func forgetTree() throws {
        try fixture.temporary.folder.write([1], to: "volume1/staging/incoming/a/b/c")
        let a = try lookup("a").ino
        let b = try lookup("b", in: a).ino
        let c = try lookup("c", in: b).ino
        // In the order in which a kernel does it, and in the other.
        for number in [a, c, b] { fixture.tree.forget(number, count: 1) }
        for number in [a, b, c] {
            #expect(throws: Errno(ESTALE)) { try fixture.tree.attributes(of: number) }
        }
        let again = try lookup("b", in: lookup("a").ino).ino
        #expect(try lookup("c", in: again).attr.st_size == 1)
    }

    // MARK: Listing

    @Test(
        """
        An open directory is listed in portions of any size while files come and go: nothing \
        twice, nothing of before missing
        """
    )
    func portions() throws {
        for number in 0..<40 {
            try fixture.temporary.folder.write([1], to: "volume1/staging/incoming/file \(number)")
        }
        for size in [64, 100, 333, 4096] {
            let snapshot = try fixture.tree.openDirectory(fixture.root)
            var listed: [String] = []
            var cookie = 0
            while true {
                let portion = list(size: size) {
                    fixture.tree.list(
                        snapshot, of: fixture.root, after: cookie, plus: false, into: &$0)
                }
                guard let last = portion.last else { break }
                cookie = last.cookie
                listed += portion.map(\.name)
                try fixture.temporary.folder.write(
                    [1], to: "volume1/staging/incoming/new \(size) \(cookie)")
                unlink(fixture.path("new \(size) \(cookie - 1)"))
            }
            #expect(Set(listed).count == listed.count)
            #expect(Set(listed).isSuperset(of: [".", ".."] + (0..<40).map { "file \($0)" }))
            #expect(!listed.contains { $0.hasPrefix("new \(size) ") })
        }
    }

    @Test("A cookie leads to the same place again")
    func seekingBack() throws {
        for number in 0..<9 {
            try fixture.temporary.folder.write([1], to: "volume1/staging/incoming/\(number)")
        }
        let snapshot = try fixture.tree.openDirectory(fixture.root)
        func after(_ cookie: Int) -> [Listed] {
            list(size: 65_536) {
                fixture.tree.list(snapshot, of: fixture.root, after: cookie, plus: false, into: &$0)
            }
        }
        let all = after(0)
        #expect(all.count == 11)
        for (index, entry) in all.enumerated() {
            #expect(after(entry.cookie).map(\.name) == all.dropFirst(index + 1).map(\.name))
        }
        #expect(after(1_000_000).isEmpty)
    }
}
