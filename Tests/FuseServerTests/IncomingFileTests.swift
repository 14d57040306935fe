import TestSupport
import Archive
import CFuse3
import Foundation
import Glibc
import Storage
import SyntheticStudy
import System
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Files in incoming")
struct IncomingFileTests {
    private let fixture: TreeFixture

    init() throws { fixture = try TreeFixture() }

    private func state(_ handle: IncomingHandle) -> IncomingFile.State? {
        fixture.tree.locked { $0.files[handle.number]?.state }
    }

    @Test(
        """
        When flush has answered 0 the image is archived on both volumes, and the name is still \
        there
        """
    )
    func archives() throws {
        let bytes = image(1)
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(Array(bytes.prefix(5_000)), to: handle)
        try fixture.write(Array(bytes.dropFirst(5_000)), to: handle, at: 5_000)
        #expect(try fixture.instances == 0)
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.isBlob(bytes))
        #expect(try fixture.instance(bytes) == 1)
        guard case .archived(1) = state(handle) else {
            Issue.record("\(String(describing: state(handle)))")
            return
        }
        fixture.tree.release(handle)
        #expect(try fixture.bytes(of: fixture.open("IM1.dcm", flags: O_RDONLY)) == bytes)
        let details = try fixture.archive.index.read { try $0.details(1) }
        #expect(details?.source == "incoming/IM1.dcm")
    }

    @Test("A name that a disk lost when it was pulled is free at the first try to open it")
    func lost() throws {
        #expect(try fixture.save(image(1), as: "IM1.dcm") == 0)
        #expect(
            unlink(fixture.temporary.volumes[0] + "/staging/incoming/IM1.dcm") == 0)
        // The kernel looks the name up again, and finds that there is none.
        #expect(throws: Errno(ESTALE)) {
            try fixture.open("IM1.dcm", flags: O_WRONLY | O_TRUNC)
        }
        #expect(throws: Errno(ENOENT)) {
            try fixture.tree.lookup(Array("IM1.dcm".utf8), in: fixture.root)
        }
        #expect(try fixture.save(image(2), as: "IM1.dcm") == 0)
        #expect(try fixture.instances == 2)
    }

    @Test("Flushing again, or flushing a handle that only reads, does nothing more")
    func flushAgain() throws {
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(image(1), to: handle)
        #expect(fixture.flush(handle) == 0)
        #expect(fixture.flush(handle) == 0)
        let reader = try fixture.open("IM1.dcm", flags: O_RDONLY)
        #expect(fixture.flush(reader) == 0)
        fixture.tree.release(reader)
        fixture.tree.release(handle)
        #expect(try fixture.instances == 1)
    }

    @Test("Two that close the same file at once are both told when it is safe; it is archived once")
    func twoClosers() throws {
        let bytes = image(1)
        let first = try fixture.create("IM1.dcm")
        let second = try fixture.open("IM1.dcm", flags: O_WRONLY)
        try fixture.write(bytes, to: first)
        let (one, other) = (Answer(), Answer())
        fixture.tree.flush(first, replyingTo: one.reply)
        fixture.tree.flush(second, replyingTo: other.reply)
        #expect(one.wait() == 0)
        #expect(other.wait() == 0)
        #expect(try fixture.instances == 1)
    }

    @Test("Bytes in any order, rewritten, or after a hole, are archived as they are in the end")
    func anyOrder() throws {
        let bytes = image(1)
        let half = bytes.count / 2
        let backwards = try fixture.create("backwards")
        try fixture.write(Array(bytes.suffix(from: half)), to: backwards, at: half)
        try fixture.write(Array(bytes.prefix(half)), to: backwards)
        #expect(fixture.flush(backwards) == 0)
        #expect(try fixture.isBlob(bytes))

        let other = image(2)
        let rewritten = try fixture.create("rewritten")
        try fixture.write([UInt8](repeating: 0, count: other.count), to: rewritten)
        try fixture.write(other, to: rewritten)
        #expect(fixture.flush(rewritten) == 0)
        #expect(try fixture.isBlob(other))

        let third = image(3)
        let grown = try fixture.create("grown")
        try fixture.tree.allocate(grown, mode: 0, offset: 0, length: third.count + 500)
        try fixture.write(third, to: grown)
        _ = try truncate(grown, to: third.count)
        #expect(fixture.flush(grown) == 0)
        #expect(try fixture.isBlob(third))
        #expect(try fixture.instances == 3)
    }

    private func truncate(_ handle: IncomingHandle, to size: Int) throws -> stat {
        var wanted = stat()
        wanted.st_size = size
        return try fixture.tree.setAttributes(
            handle.number, to: wanted, which: Int32(FUSE_SET_ATTR_SIZE))
    }

    @Test(
        """
        What is written after archiving goes to a copy: the blob keeps its bytes, the new ones \
        are archived too
        """,
        arguments: ["same handle", "opened again", "opened with O_TRUNC"])
    func thaws(how: String) throws {
        let (before, after) = (image(1), image(2))
        var handle = try fixture.create("IM1.dcm")
        try fixture.write(before, to: handle)
        #expect(fixture.flush(handle) == 0)
        let inode = try fixture.tree.attributes(of: handle.number).st_ino
        if how != "same handle" {
            fixture.tree.release(handle)
            handle = try fixture.open(
                "IM1.dcm", flags: how == "opened again" ? O_RDWR : O_WRONLY | O_TRUNC)
        }
        try fixture.write(after, to: handle)
        _ = try truncate(handle, to: after.count)
        #expect(try fixture.bytes(of: handle) == after)
        #expect(try fixture.tree.attributes(of: handle.number).st_ino != inode)
        #expect(try fixture.isBlob(before))
        #expect(try fixture.instances == 1)
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.isBlob(before))
        #expect(try fixture.isBlob(after))
        #expect(try fixture.instances == 2)
        #expect(try fixture.left == ["IM1.dcm"])
    }

    @Test("A write that comes while the file is on its way into the archive goes to a copy")
    func writeWhileArchiving() throws {
        for round: UInt64 in 0..<20 {
            let (before, name) = (image(100 + round), "IM\(round).dcm")
            let handle = try fixture.create(name)
            try fixture.write(before, to: handle)
            let answer = Answer()
            fixture.tree.flush(handle, replyingTo: answer.reply)
            // At once, or when the bytes have just become a blob on both volumes.
            while try round % 2 == 1 && !fixture.isBlob(before) { sched_yield() }
            try fixture.write([9, 9, 9], to: handle, at: before.count - 3)
            #expect(answer.wait() == 0)
            #expect(try fixture.isBlob(before))
            #expect(fixture.flush(handle) == 0)
            #expect(try fixture.isBlob(before))
            #expect(try fixture.isBlob(before.dropLast(3) + [9, 9, 9]))
            fixture.tree.release(handle)
        }
        #expect(try fixture.instances == 40)
    }

    @Test("A part that is rewritten after archiving keeps the rest")
    func thawKeepsBytes() throws {
        let before = image(1)
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(before, to: handle)
        #expect(fixture.flush(handle) == 0)
        try fixture.write([9, 9, 9], to: handle, at: before.count - 3)
        #expect(try fixture.bytes(of: handle) == before.dropLast(3) + [9, 9, 9])
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.isBlob(before))
        #expect(try fixture.isBlob(before.dropLast(3) + [9, 9, 9]))
    }

    @Test("A reader that had the file open before it was rewritten goes on with what it had")
    func readerKeepsInode() throws {
        let before = image(1)
        try fixture.save(before, as: "IM1.dcm")
        let reader = try fixture.open("IM1.dcm", flags: O_RDONLY)
        let descriptor = try fixture.tree.descriptor(of: reader)
        let writer = try fixture.open("IM1.dcm", flags: O_WRONLY | O_TRUNC)
        try fixture.write([1, 2, 3], to: writer)
        var bytes = [UInt8](repeating: 0, count: before.count)
        #expect(pread(descriptor.number, &bytes, bytes.count, 0) == before.count)
        #expect(bytes == before)
        #expect(try fixture.isBlob(before))
        fixture.tree.release(reader)
        fixture.tree.release(writer)
    }

    @Test("Owner, mode and times set after archiving are shown, and the blob keeps its own")
    func overrides() throws {
        let bytes = image(1)
        try fixture.save(bytes, as: "IM1.dcm")
        let number = try fixture.tree.lookup(Array("IM1.dcm".utf8), in: fixture.root).ino
        var wanted = stat()
        wanted.st_mode = 0o640
        wanted.st_uid = 1234
        wanted.st_gid = 5678
        wanted.st_mtim = timespec(tv_sec: 1_000_000_000, tv_nsec: 5)
        wanted.st_atim = timespec(tv_sec: 1_100_000_000, tv_nsec: 6)
        let which =
            FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_MTIME
            | FUSE_SET_ATTR_ATIME
        var shown = try fixture.tree.setAttributes(number, to: wanted, which: which)
        // Then only one of them.
        wanted.st_mode = 0o600
        shown = try fixture.tree.setAttributes(
            number, to: wanted, which: FUSE_SET_ATTR_MODE)
        #expect(shown.st_mode == S_IFREG | 0o600)
        #expect((shown.st_uid, shown.st_gid) == (1234, 5678))
        #expect((shown.st_mtim.tv_sec, shown.st_mtim.tv_nsec) == (1_000_000_000, 5))
        #expect((shown.st_atim.tv_sec, shown.st_atim.tv_nsec) == (1_100_000_000, 6))
        #expect(try fixture.isBlob(bytes))
        var blob = stat()
        #expect(stat(fixture.temporary.blob(.of(bytes), on: 1), &blob) == 0)
        #expect(blob.st_uid == getuid())
        #expect(blob.st_mtim.tv_sec != 1_000_000_000)
    }

    @Test("Owner, mode and times set before archiving are those of the file")
    func attributesBefore() throws {
        let handle = try fixture.create("x.part")
        var wanted = stat()
        wanted.st_mode = 0o400
        wanted.st_mtim = timespec(tv_sec: 1_000_000_000, tv_nsec: 0)
        let shown = try fixture.tree.setAttributes(
            handle.number, to: wanted, which: FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_MTIME)
        // The daemon keeps what it needs itself.
        #expect(shown.st_mode == S_IFREG | 0o600)
        #expect(shown.st_mtim.tv_sec == 1_000_000_000)
        #expect(shown.st_atim.tv_sec != 1_000_000_000)
    }

    @Test("A file that is no image is no error for close; it waits to be set aside")
    func refused() throws {
        let handle = try fixture.create("letter.txt")
        try fixture.write(Array("Dear client".utf8), to: handle)
        #expect(fixture.flush(handle) == 0)
        guard case .refused(let reason) = state(handle) else {
            Issue.record("\(String(describing: state(handle)))")
            return
        }
        #expect(reason.contains("DICOM"))
        #expect(try fixture.instances == 0)
        // It is still its writer's, who may make an image of it.
        try fixture.write(image(1), to: handle)
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.isBlob(image(1)))
    }

    @Test(
        "A temporary name and junk are not archived when they are closed",
        arguments: [
            (".IM1.dcm.Ab3dE6", image(1)), ("IM1.dcm.part", image(1)),
            ("._IM1.dcm", Array("Mac OS X".utf8)), ("Thumbs.db", [0xD0, 0xCF]),
        ])
    func notArchived(name: String, bytes: [UInt8]) throws {
        #expect(try fixture.save(bytes, as: name) == 0)
        #expect(try fixture.instances == 0)
        #expect(try fixture.left == [name])
    }

    @Test("Unlinked while open it can still be read and written; nothing of it is archived")
    func unlinkWhileOpen() throws {
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(image(1), to: handle)
        try fixture.tree.unlink(Array("IM1.dcm".utf8), in: fixture.root)
        #expect(try fixture.left == [])
        #expect(throws: Errno(ENOENT)) {
            try fixture.tree.lookup(Array("IM1.dcm".utf8), in: fixture.root)
        }
        #expect(try fixture.tree.attributes(of: handle.number).st_nlink == 0)
        try fixture.write([7], to: handle, at: 10)
        #expect(try fixture.bytes(of: handle)[10] == 7)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        #expect(try fixture.instances == 0)
    }

    @Test("Unlinked after archiving, and written to then, the blob keeps its bytes")
    func unlinkAfterArchiving() throws {
        let bytes = image(1)
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(bytes, to: handle)
        #expect(fixture.flush(handle) == 0)
        try fixture.tree.unlink(Array("IM1.dcm".utf8), in: fixture.root)
        try fixture.write([7, 7, 7], to: handle)
        #expect(try fixture.bytes(of: handle).prefix(3) == [7, 7, 7])
        fixture.tree.release(handle)
        #expect(try fixture.isBlob(bytes))
        #expect(try fixture.instances == 1)
        #expect(try fixture.left == [])
    }

    @Test("A name that is there is not created again with O_EXCL, and without it is opened")
    func existing() throws {
        let bytes = image(1)
        try fixture.save(bytes, as: "IM1.dcm")
        #expect(throws: Errno(EEXIST)) { try fixture.create("IM1.dcm") }
        // The archived inode is behind the name: it must not be cut off.
        let handle = try fixture.create("IM1.dcm", flags: O_WRONLY | O_TRUNC)
        #expect(try fixture.bytes(of: handle) == [])
        #expect(try fixture.isBlob(bytes))
    }

    @Test("Names that the daemon uses itself are neither made nor shown")
    func hiddenNames() throws {
        #expect(throws: Errno(EPERM)) { try fixture.create(".pacsfs-7") }
        #expect(throws: Errno(EPERM)) { try fixture.makeDirectory(".pacsfs-8") }
        try fixture.temporary.folder.write([1], to: "volume1/staging/incoming/.pacsfs-8")
        #expect(throws: Errno(ENOENT)) {
            try fixture.tree.lookup(Array(".pacsfs-8".utf8), in: fixture.root)
        }
        #expect(try fixture.tree.openDirectory(fixture.root).entries.isEmpty)
        try fixture.save([1], as: "x.part")
        #expect(fixture.rename("x.part", to: ".pacsfs-9") == EPERM)
    }

    @Test("A handle that only reads does not write")
    func readOnlyHandle() throws {
        try fixture.save(image(1), as: "IM1.dcm")
        let handle = try fixture.open("IM1.dcm", flags: O_RDONLY)
        #expect(throws: Errno(EBADF)) { try fixture.write([1], to: handle) }
    }

    @Test("What is written after the last flush is archived when the file is released")
    func releaseArchives() throws {
        let bytes = image(1)
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(bytes, to: handle)
        fixture.tree.release(handle)
        #expect(try eventually { try fixture.instance(bytes) == 1 })
        #expect(try eventually { try fixture.isBlob(bytes) })
    }

    @Test("A name that is no UTF-8 is archived like any other")
    func bytesAsNames() throws {
        let name: [UInt8] = [0x4D, 0xFC, 0xFF]
        let (_, handle) = try fixture.tree.create(
            name, in: fixture.root, flags: O_WRONLY, mode: 0o644,
            caller: FileOwner(uid: getuid(), gid: getgid()))
        try fixture.write(image(1), to: handle)
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.isBlob(image(1)))
        #expect(try fixture.tree.lookup(name, in: fixture.root).ino == handle.number)
    }
}
