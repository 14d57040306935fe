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

@Suite("Incoming when there is no room, or a volume is away")
struct IncomingRoomTests {
    @Test("When too few volumes are there nothing can be created")
    func absentVolume() throws {
        let temporary = try TemporaryArchive()
        try temporary.open { _ in }
        try FileManager.default.moveItem(
            atPath: temporary.volumes[1], toPath: temporary.folder.path("unplugged"))
        try temporary.open { (archive) throws in
            let tree = IncomingTree(
                staging: archive.staging, root: FixedEntry.incoming.number,
                archive: archive, permissions: .everybody)
            #expect(throws: Errno(EIO)) {
                try tree.create(
                    Array("IM1.dcm".utf8), in: FixedEntry.incoming.number, flags: O_WRONLY,
                    mode: 0o644, caller: FileOwner(uid: 0, gid: 0))
            }
        }
        #expect(try files(below: temporary.volumes[0] + "/staging") == [])
    }

    @Test(
        """
        A file for which the room has gone is told by flush; it stays, and is archived when there \
        is room
        """,
        .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"))
    func noRoom() throws {
        var disk: SmallDisk?
        let fixture = try TreeFixture { folder in
            let path = folder.path("volume2")
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            disk = try SmallDisk(at: path, bytes: 28 << 20)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        var large = SyntheticImage(seed: 1)
        large.minimumLength = 14 << 20
        let bytes = large.write()
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(bytes, to: handle)
        let other = try fixture.temporary.folder.write(
            [UInt8](repeating: 1, count: 8 << 20), to: "volume2/other")
        defer { unlink(other) }
        #expect(fixture.flush(handle) == ENOSPC)
        // And again: nothing has become of it meanwhile.
        #expect(fixture.flush(handle) == ENOSPC)
        fixture.tree.release(handle)
        #expect(try fixture.left == ["IM1.dcm"])
        #expect(try fixture.instances == 0)
        #expect(try fixture.state(of: handle.number) == "failed")
        #expect(
            try fixture.reason(of: handle.number)?.contains("incoming/IM1.dcm") == true)

        #expect(mount("tmpfs", mounted.path, "tmpfs", UInt(MS_REMOUNT), "size=\(64 << 20)") == 0)
        let again = Answer()
        try fixture.tree.startArchiving(handle.number, as: Array("IM1.dcm".utf8)) {
            again.reply.answer($0)
        }
        #expect(again.wait() == 0)
        #expect(try fixture.isBlob(bytes))
    }

    @Test(
        "A write says at once that the file would not fit on every volume that it needs",
        .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"))
    func growing() throws {
        var disk: SmallDisk?
        let fixture = try TreeFixture { folder in
            let path = folder.path("volume2")
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            disk = try SmallDisk(at: path, bytes: 28 << 20)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        let handle = try fixture.create("IM1.dcm")
        let piece = [UInt8](repeating: 1, count: 4 << 20)
        for offset in [0, 4 << 20, 8 << 20] { try fixture.write(piece, to: handle, at: offset) }
        #expect(throws: Errno(ENOSPC)) {
            for offset in stride(from: 12 << 20, to: 64 << 20, by: piece.count) {
                try fixture.write(piece, to: handle, at: offset)
            }
        }
        // Over a hole as well.
        let far = try fixture.create("IM2.dcm")
        #expect(throws: Errno(ENOSPC)) { try fixture.write([1], to: far, at: 1 << 43) }
        #expect(throws: Errno(ENOSPC)) { try fixture.write([1], to: far, at: 24 << 20) }
        try fixture.write([1], to: far, at: 4 << 20)
    }

    @Test(
        """
        A file that could not be written whole is no image, also when there is room again; \
        written again it is one
        """,
        .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"))
    func halfWritten() throws {
        var disk: SmallDisk?
        let fixture = try TreeFixture(settle: 0.2) { folder in
            let path = folder.path("volume1")
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false)
            disk = try SmallDisk(at: path, bytes: 24 << 20)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        var large = SyntheticImage(seed: 1)
        large.minimumLength = 30 << 20
        let bytes = large.write()
        func fill(_ handle: IncomingHandle, from start: Int = 0) throws -> Int? {
            for offset in stride(from: start, to: bytes.count, by: 1 << 20) {
                do {
                    try fixture.write(
                        Array(bytes[offset..<min(offset + 1 << 20, bytes.count)]), to: handle,
                        at: offset)
                } catch let error as Errno {
                    #expect(error.code == ENOSPC)
                    return offset
                }
            }
            return nil
        }
        let (half, whole) = (try fixture.create("half.dcm"), try fixture.create("whole.dcm"))
        let stop = try #require(try fill(half))
        #expect(fixture.flush(half) == ENOSPC)
        #expect(fixture.flush(half) == ENOSPC)
        fixture.tree.release(half)
        #expect(try fill(whole) == 0)

        #expect(mount("tmpfs", mounted.path, "tmpfs", UInt(MS_REMOUNT), "size=\(128 << 20)") == 0)
        // A program that tries again where it failed.
        #expect(try fill(whole) == nil)
        #expect(fixture.flush(whole) == 0)
        fixture.tree.release(whole)
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        #expect(try eventually { try fixture.left.isEmpty })
        settling.stop()
        #expect(stop > 1 << 20)
        #expect(try fixture.isBlob(bytes))
        #expect(try fixture.instances == 1)
        #expect(
            try fixture.rejected()["half.dcm"]?.hasPrefix(
                "It could not be written whole: No space left") == true)
    }

    @Test("Growing a file beyond what could be kept is refused at once")
    func tooLarge() throws {
        let fixture = try TreeFixture()
        let handle = try fixture.create("IM1.dcm")
        #expect(throws: Errno(ENOSPC)) {
            try fixture.tree.allocate(handle, mode: 0, offset: 0, length: 1 << 60)
        }
        var wanted = stat()
        wanted.st_size = 1 << 60
        #expect(throws: Errno(ENOSPC)) {
            try fixture.tree.setAttributes(
                handle.number, to: wanted, which: Int32(FUSE_SET_ATTR_SIZE))
        }
        #expect(throws: Errno(EOPNOTSUPP)) {
            try fixture.tree.allocate(handle, mode: 8, offset: 0, length: 10)
        }
        fixture.tree.release(handle)
    }

    @Test("The daemon that is being stopped says so to those who still close files")
    func shuttingDown() throws {
        let fixture = try TreeFixture()
        let handle = try fixture.create("IM1.dcm")
        try fixture.write(image(1), to: handle)
        fixture.archive.close()
        #expect(fixture.flush(handle) == ESHUTDOWN)
        #expect(try fixture.left == ["IM1.dcm"])
    }
}
