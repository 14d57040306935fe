import TestSupport
import Archive
import CFuse3
import Foundation
import Glibc
import Storage
import System
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Settling")
struct SettlingTests {
    private let fixture: TreeFixture
    private static let settle = 0.8

    init() throws { fixture = try TreeFixture(settle: Self.settle) }

    /// Calls `body` while a thread settles.
    private func settling(_ body: (Settling) throws -> Void) throws {
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        defer { settling.stop() }
        try body(settling)
    }

    private func exists(_ name: String) -> Bool { access(fixture.path(name), F_OK) == 0 }

    @Test(
        """
        What is archived goes from incoming some time after it was closed, its directories after \
        it
        """
    )
    func archivedGoes() throws {
        let outer = try fixture.makeDirectory("CD")
        let inner = try fixture.makeDirectory("DICOM", in: outer)
        try fixture.save(image(1), as: "IM1.dcm", in: inner)
        try fixture.save(image(2), as: "IM2.dcm")
        try settling { (settling) throws in
            #expect(exists("CD/DICOM/IM1.dcm"))
            #expect(settling.pending == 0)
            #expect(eventually { !exists("CD") && !exists("IM2.dcm") })
        }
        #expect(try fixture.isBlob(image(1)))
        #expect(try fixture.isBlob(image(2)))
        #expect(throws: Errno(ENOENT)) {
            try fixture.tree.lookup(Array("CD".utf8), in: fixture.root)
        }
        #expect(try fixture.rejected().isEmpty)
    }

    @Test("What is no image is set aside with its path and reason; close had said nothing")
    func refusedIsSetAside() throws {
        let directory = try fixture.makeDirectory("CD")
        #expect(try fixture.save(Array("Dear client".utf8), as: "letter.txt", in: directory) == 0)
        #expect(try fixture.save([], as: "nothing.dcm") == 0)
        try settling { (settling) throws in
            #expect(settling.pending == 2)
            #expect(try eventually { try fixture.left.isEmpty })
            #expect(eventually { !exists("CD") })
            #expect(settling.pending == 0)
        }
        let rejected = try fixture.rejected()
        #expect(rejected.keys.sorted() == ["CD/letter.txt", "nothing.dcm"])
        #expect(rejected["CD/letter.txt"]?.contains("DICOM") == true)
        #expect(rejected["nothing.dcm"] == "It is empty (0 bytes). Copy the original again.\n")
    }

    @Test(
        """
        Which tree is shown is never asked with the lock of a tree held: the one who answers may \
        wait for that
        """
    )
    func asksUnlocked() throws {
        let folder = try fixture.makeDirectory("CD")
        try fixture.save(image(1), as: "IM1.dcm", in: folder)
        try fixture.save(Array("Dear client".utf8), as: "letter.txt")
        let blocked = Lock(0)
        // As FileSystem.followStaging does, when the volume of incoming has gone.
        let settling = Settling { [tree = fixture.tree] in
            let hasAnswered = Monitor(false)
            let asking = try? WorkerThread("asking") {
                _ = tree.has(1)
                hasAnswered.withLock(waking: .all) { $0 = true }
            }
            let deadline = SystemClock().now + 1_000_000_000
            if asking == nil || hasAnswered.wait(until: deadline, for: { $0 ? true : nil }) == nil {
                blocked.withLock { $0 += 1 }
            }
            return tree
        }
        settling.start()
        #expect(eventually { !exists("CD") && !exists("letter.txt") })
        #expect(settling.pending == 0)
        settling.stop()
        #expect(blocked.withLock { $0 } == 0)
    }

    @Test("What is due when pacsfs ends, and not begun, is left to the next start")
    func stopping() throws {
        let fixture = try TreeFixture(settle: 0.05)
        for number in 0..<400 {
            try fixture.save(Array("Dear client \(number)".utf8), as: "\(number).txt")
        }
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        #expect(try eventually { try fixture.left.count < 400 })
        settling.stop()
        #expect(try fixture.left.count > 0)
        try fixture.startAgain()
        #expect(try fixture.left == [])
    }

    @Test("What an earlier run left goes as soon as it is archived, before thousands of junk files")
    func leftoversFirst() throws {
        let fixture = try TreeFixture(settle: 600)
        try fixture.save(image(1), as: "IM1.dcm")
        for number in 0..<3000 {
            try fixture.temporary.folder.write(
                Array("Dear client \(number)".utf8), to: "volume1/staging/incoming/\(number).txt")
        }
        try fixture.startAgain { (archive, trees) throws in
            let settling = Settling { trees.incoming }
            settling.start()
            let isGone = eventually { access(fixture.path("IM1.dcm"), F_OK) != 0 }
            #expect(isGone)
            #expect(try !fixture.left.isEmpty)
            settling.stop()
        }
        #expect(try fixture.isBlob(image(1)))
    }

    @Test("A folder that never had a file goes much later, and not while it is open")
    func emptyFolders() throws {
        let fixture = try TreeFixture(settle: 0.05)
        _ = try fixture.makeDirectory("forgotten")
        let used = try fixture.tree.openDirectory(fixture.makeDirectory("used"))
        let filled = try fixture.makeDirectory("filled")
        _ = try fixture.makeDirectory("beside", in: filled)
        try fixture.save(image(1), as: "IM1.dcm", in: filled)
        func isThere(_ name: String) -> Bool { access(fixture.path(name), F_OK) == 0 }
        func settling(patience: Int64, _ body: () -> Void) {
            let settling = Settling(emptyFactor: patience) { [tree = fixture.tree] in tree }
            settling.start()
            body()
            settling.stop()
        }
        // More than half a day, so that no slow machine takes it for over.
        settling(patience: 1_000_000) {
            #expect(eventually { !isThere("filled/IM1.dcm") })
            #expect(isThere("forgotten") && isThere("filled/beside"))
        }
        settling(patience: 2) {
            #expect(eventually { !isThere("forgotten") && !isThere("filled") })
            #expect(isThere("used"))
        }
        withExtendedLifetime(used) {}
    }

    @Test("A zip archive that fails again and again for one reason is set aside with it, whole")
    func lastingFailure() throws {
        var failures = Failures()
        func fail(_ message: String, isOwn: Bool = true) {
            failures.add(ArchiveError(.storage, message), duration: 60_000_000_000, isOwn: isOwn)
        }
        for _ in 1...4 { fail("Broken.") }
        #expect(failures.pause == 600_000_000_000)
        #expect(!failures.isLasting)
        // For another reason, or because of a disk.
        fail("Otherwise.")
        for _ in 1...4 { fail("Broken.") }
        fail("Broken.", isOwn: false)
        #expect(!failures.isLasting)
        for _ in 1...5 { fail("Broken.") }
        #expect(failures.isLasting)

        let bytes = [0x50, 0x4B, 3, 4] + [UInt8](repeating: 7, count: 1000)
        let handle = try fixture.create("broken.zip")
        try fixture.write(bytes, to: handle)
        try fixture.fail(handle, "Broken.", times: 5)
        fixture.tree.release(handle)
        fixture.age(handle, by: failures.pause)
        try settling { (_) throws in #expect(try eventually { try fixture.left.isEmpty }) }
        #expect(
            try fixture.rejected()["broken.zip"]?.contains("time and again. Broken. If") == true)
        for volume in fixture.temporary.volumes {
            let path = try #require(
                try files(below: volume + "/rejected").first { $0.hasSuffix("/broken.zip") })
            #expect(try contents(of: volume + "/rejected/" + path) == bytes)
        }
    }

    @Test(
        """
        A file that was given its size ahead and not written to its end is set aside; one \
        that was is archived
        """
    )
    func announcedSize() throws {
        let bytes = image(1)
        func announce(_ name: String) throws -> IncomingHandle {
            let handle = try fixture.create(name)
            var wanted = stat()
            wanted.st_size = bytes.count
            _ = try fixture.tree.setAttributes(
                handle.number, to: wanted, which: FUSE_SET_ATTR_SIZE)
            return handle
        }
        func finish(_ handle: IncomingHandle) {
            #expect(fixture.flush(handle) == 0)
            fixture.tree.release(handle)
        }
        let half = try announce("half.dcm")
        try fixture.write(Array(bytes.prefix(600)), to: half)
        finish(half)
        #expect(
            try fixture.reason(of: half.number)?.contains("after 600 of \(bytes.count) bytes")
                == true)
        let whole = try announce("whole.dcm")
        try fixture.write(Array(bytes.prefix(600)), to: whole)
        finish(whole)
        // Whoever was away goes on.
        let again = try fixture.open("whole.dcm", flags: O_WRONLY)
        try fixture.write(Array(bytes.dropFirst(600)), to: again, at: 600)
        finish(again)
        #expect(try fixture.isBlob(bytes))
        // Its size once more, and several writers of whom only the last is done.
        let twice = try announce("twice.dcm")
        var wanted = stat()
        wanted.st_size = bytes.count
        _ = try fixture.tree.setAttributes(
            twice.number, to: wanted, which: FUSE_SET_ATTR_SIZE)
        try fixture.write(Array(bytes.prefix(600)), to: twice)
        finish(twice)
        let parallel = try announce("parallel.dcm")
        try fixture.write(
            Array(bytes.dropFirst(bytes.count - 100)), to: parallel, at: bytes.count - 100)
        try fixture.write(Array(bytes.prefix(500)), to: parallel)
        finish(parallel)
        #expect(
            try fixture.reason(of: parallel.number)?.contains(
                "only 600 of \(bytes.count) bytes") == true)
        // Zeros at the end that nobody wrote, as of a file with holes.
        let sparse = try fixture.create("sparse.dcm")
        try fixture.write(image(2), to: sparse)
        var longer = stat()
        longer.st_size = 100_000
        _ = try fixture.tree.setAttributes(
            sparse.number, to: longer, which: FUSE_SET_ATTR_SIZE)
        finish(sparse)
        #expect(try fixture.instances == 2)
        try settling { (_) throws in #expect(try eventually { try fixture.left.isEmpty }) }
        #expect(try fixture.rejected().keys.sorted() == ["half.dcm", "parallel.dcm", "twice.dcm"])
    }

    @Test("A temporary name that nobody has used for a day is set aside")
    func abandoned() throws {
        let handle = try fixture.create("IM1.dcm.part")
        try fixture.write(image(1), to: handle)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        fixture.age(handle, by: 86_401_000_000_000)
        try settling { (_) throws in #expect(try eventually { try fixture.left.isEmpty }) }
        #expect(try fixture.rejected()["IM1.dcm.part"]?.contains("never finished") == true)
    }

    // MARK: What an earlier run left

    @Test(
        """
        Leftovers: a closed file is archived, one that was never closed is set aside, a \
        temporary one waits
        """
    )
    func leftovers() throws {
        let folder = fixture.temporary.folder
        try folder.write(image(1), to: "volume1/staging/incoming/CD/whole.dcm")
        let digest = Digest.of(image(1))
        #expect(
            link(
                fixture.path("CD/whole.dcm"),
                fixture.temporary.volumes[0] + "/staging/commit/\(digest.hex).dcm") == 0)
        try folder.write(Array(image(2).dropLast(50)), to: "volume1/staging/incoming/CD/half.dcm")
        try folder.write(image(3), to: "volume1/staging/incoming/.IM3.dcm.Ab3dE6")
        fixture.tree.addLeftovers()
        try settling { (_) throws in
            #expect(try eventually { try fixture.left == [".IM3.dcm.Ab3dE6"] })
        }
        #expect(try fixture.isBlob(image(1)))
        #expect(try fixture.rejected() == ["CD/half.dcm": IncomingDecision.interrupted + "\n"])
        // Whoever comes back and renames it is told that it is safe.
        #expect(fixture.rename(".IM3.dcm.Ab3dE6", to: "IM3.dcm") == 0)
        #expect(try fixture.isBlob(image(3)))
    }

    @Test("What is not taken up when pacsfs ends is taken up when somebody comes to it")
    func takingUpEnds() throws {
        let half = Array(image(2).dropLast(50))
        try fixture.temporary.folder.write(half, to: "volume1/staging/incoming/half.dcm")
        fixture.tree.stopAddingLeftovers()
        fixture.tree.addLeftovers()
        #expect(fixture.tree.locked { $0.files.isEmpty })
        #expect(fixture.tree.pending == 1)
        let number = try fixture.tree.lookup(Array("half.dcm".utf8), in: fixture.root).ino
        #expect(try fixture.state(of: number) == "archiving")
        // Somebody who writes to it gets an inode of his own, and it is not half a file any more.
        let handle = try fixture.open("half.dcm", flags: O_WRONLY | O_TRUNC)
        try fixture.write(image(3), to: handle)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        #expect(try fixture.isBlob(image(3)))
    }

    @Test(
        """
        An archived file that got a temporary name before the daemon ended is not written to as \
        it is
        """
    )
    func archivedUnderTemporaryName() throws {
        try fixture.save(image(1), as: "IM1.dcm")
        #expect(fixture.rename("IM1.dcm", to: "IM1.dcm.part") == 0)
        // The next run.
        let tree = IncomingTree(
            staging: fixture.archive.staging, root: fixture.root,
            archive: fixture.archive, permissions: .everybody)
        tree.addLeftovers()
        let number = try tree.lookup(Array("IM1.dcm.part".utf8), in: fixture.root).ino
        let handle = try tree.open(number, flags: O_WRONLY)
        let bytes: [UInt8] = [9, 9, 9]
        #expect(
            try bytes.withUnsafeBytes { buffer throws(Errno) in
                try tree.write(handle, buffer, offset: 0)
            } == 3)
        tree.release(handle)
        #expect(try fixture.isBlob(image(1)))
    }
}
