import TestSupport
import Archive
import Foundation
import Glibc
import Storage
import System
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Moving files from rejected back into incoming")
struct RetryTests {
    private let fixture: TreeFixture
    private let rejected: RejectedTree
    private static let day = "2024-05-01"

    init() throws {
        fixture = try TreeFixture(settle: 0.2)
        rejected = RejectedTree(
            staging: fixture.archive.staging, root: FixedEntry.rejected.number,
            permissions: .everybody)
    }

    /// Puts a file below the day's folder on both volumes, as if it had been set aside.
    private func setAside(_ bytes: [UInt8], as name: String) throws {
        for volume in 1...2 {
            try fixture.temporary.folder.write(
                bytes, to: "volume\(volume)/rejected/\(Self.day)/\(name)")
            try fixture.temporary.folder.write(
                Array("The copy was interrupted.\n".utf8),
                to: "volume\(volume)/rejected/\(Self.day)/\(name).reason.txt")
        }
    }

    private func left(on volume: Int) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(
            atPath: fixture.temporary.volumes[volume - 1] + "/rejected"
        ).sorted()
    }

    private func number(_ path: String) throws -> UInt64 {
        try path.split(separator: "/").reduce(FixedEntry.rejected.number) { parent, name in
            try rejected.lookup(Array(name.utf8), in: parent).ino
        }
    }

    /// What `rename()` is told.
    private func move(
        _ name: String, from folder: String = day, to newName: String, mustBeNew: Bool = true
    ) throws -> Int32 {
        let answer = Answer()
        fixture.tree.retry(
            Array(name.utf8), in: try number(folder), of: rejected,
            to: .init(name: Array(newName.utf8), parent: fixture.root, mustBeNew: mustBeNew),
            caller: FileOwner(uid: getuid(), gid: getgid()), replyingTo: answer.reply)
        return answer.wait()
    }

    private func settling(_ body: () throws -> Void) rethrows {
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        defer { settling.stop() }
        try body()
    }

    @Test(
        """
        A file is archived when rename answers; it, its reason and empty folders go from \
        rejected, on every volume
        """
    )
    func archived() throws {
        try setAside(image(1), as: "CD/IM1")
        #expect(try move("IM1", from: Self.day + "/CD", to: "IM1.dcm") == 0)
        #expect(try fixture.isBlob(image(1)))
        #expect(try fixture.left == ["IM1.dcm"])
        #expect(try left(on: 1) == [Self.day, Self.day + "/CD", Self.day + "/CD/IM1.reason.txt"])
        fixture.tree.renames.wait()
        #expect(try left(on: 2) == [])
        // It is written to like any other, and the archived one stays.
        let writer = try fixture.open("IM1.dcm", flags: O_WRONLY)
        try fixture.write([1, 2, 3], to: writer)
        fixture.tree.release(writer)
        #expect(try fixture.isBlob(image(1)))
        try settling { () throws in
            #expect(
                try eventually {
                    try fixture.left == []
                        && left(on: 1).allSatisfy { !$0.hasSuffix("IM1.reason.txt") }
                })
        }
    }

    @Test("mv of a file and its reason, one after the other, works; a reason alone stays")
    func reasons() throws {
        try setAside(image(1), as: "IM1")
        #expect(try move("IM1.reason.txt", to: "IM1.reason.txt") == EPERM)
        #expect(try move("IM1", to: "IM1") == 0)
        #expect(try move("IM1.reason.txt", to: "IM1.reason.txt") == 0)
        #expect(try fixture.left == ["IM1", "IM1.reason.txt"])
        try settling { () throws in
            #expect(try eventually { try fixture.left.isEmpty && left(on: 1).isEmpty })
        }
    }

    @Test("A folder is moved as a whole: its images are archived, the others are set aside again")
    func folder() throws {
        try setAside(image(1), as: "CD/A/IM1")
        try setAside(image(2), as: "CD/IM2")
        try setAside(Array("Dear client".utf8), as: "CD/letter.txt")
        #expect(try move("CD", to: "again") == 0)
        #expect(try fixture.left == ["again/A/IM1", "again/IM2", "again/letter.txt"])
        // Behind the answer.
        #expect(try eventually { try fixture.isBlob(image(1)) && fixture.isBlob(image(2)) })
        fixture.tree.renames.wait()
        #expect(
            try left(on: 2) == [
                Self.day, Self.day + "/CD", Self.day + "/CD/letter.txt",
                Self.day + "/CD/letter.txt.reason.txt",
            ])
        let incoming = fixture.temporary.volumes[0] + "/staging/incoming"
        try settling { () throws in
            #expect(
                try eventually {
                    try FileManager.default.contentsOfDirectory(atPath: incoming).isEmpty
                        && !left(on: 1).contains(Self.day)
                })
        }
        #expect(try fixture.rejected().keys.sorted() == ["again/letter.txt"])
    }

    @Test(
        "A file that is merely called like a reason is not lost, alone or in a folder that is moved"
    )
    func namedLikeReason() throws {
        let (notes, list) = (Array("Seen on Monday".utf8), Array("A list".utf8))
        for volume in 1...2 {
            let day = "volume\(volume)/rejected/\(Self.day)"
            try fixture.temporary.folder.write(notes, to: day + "/dd/notes.reason.txt")
            try fixture.temporary.folder.write(list, to: day + "/list.reason.txt")
        }
        try setAside(Array("Dear client".utf8), as: "dd/other.txt")
        #expect(try move("dd", to: "dd") == 0)
        #expect(try fixture.left == ["dd/notes.reason.txt", "dd/other.txt"])
        #expect(try move("list.reason.txt", to: "list.reason.txt") == 0)
        try settling { () throws in #expect(try eventually { try fixture.left.isEmpty }) }
        let paths = try left(on: 1).filter { !$0.hasPrefix(Self.day) }
        for (name, bytes) in [("dd/notes.reason (1).txt", notes), ("list.reason (1).txt", list)] {
            let path = try #require(paths.first { $0.hasSuffix("/" + name) }, "\(paths)")
            #expect(try contents(of: fixture.temporary.volumes[0] + "/rejected/" + path) == bytes)
        }
    }

    @Test("What cannot be stored stays in rejected, and rename says why")
    func failure() throws {
        try setAside(image(1), as: "IM1")
        let before = try left(on: 1)
        fixture.archive.close()
        #expect(try move("IM1", to: "IM1") == ESHUTDOWN)
        #expect(try left(on: 1) == before && left(on: 2) == before)
        #expect(try fixture.left == [])
    }

    @Test(
        """
        An image that is cut off is set aside; moved back, alone or in a folder, it is archived \
        as it is
        """
    )
    func cutOff() throws {
        let (half, other) = (Array(image(1).dropLast(100)), Array(image(2).dropLast(100)))
        #expect(try fixture.save(half, as: "half.dcm") == 0)
        let handle = try fixture.create("other.dcm", in: fixture.makeDirectory("CD"))
        try fixture.write(other, to: handle)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        #expect(try fixture.instances == 0)
        let reason = try #require(try fixture.reason(of: handle.number))
        #expect(
            reason.hasPrefix(
                "Will be set aside: This image is cut off: the pixels end after 412 of 512 bytes."),
            "\(reason)")
        try settling { () throws in #expect(try eventually { try fixture.left.isEmpty }) }
        #expect(try fixture.rejected().keys.sorted() == ["CD/other.dcm", "half.dcm"])
        let day = try #require(
            try FileManager.default.contentsOfDirectory(
                atPath: fixture.temporary.volumes[0] + "/rejected"
            ).first)
        #expect(try move("half.dcm", from: day, to: "half.dcm") == 0)
        #expect(try fixture.isBlob(half))
        #expect(try move("CD", from: day, to: "again") == 0)
        #expect(try eventually { try fixture.isBlob(other) })
        fixture.tree.renames.wait()
        // Whoever changes it answers for it no more.
        let writer = try fixture.open("half.dcm", flags: O_WRONLY | O_TRUNC)
        try fixture.write(Array(image(3).dropLast(100)), to: writer)
        #expect(fixture.flush(writer) == 0)
        fixture.tree.release(writer)
        #expect(try fixture.instances == 2)
    }

    @Test("A folder that was moved back when pacsfs ended is archived by the next start, as it is")
    func ended() throws {
        let half = Array(image(1).dropLast(100))
        try setAside(half, as: "CD/half.dcm")
        try setAside(image(2), as: "CD/IM2")
        // As when it is being stopped: nothing more is archived.
        fixture.archive.drain()
        #expect(try move("CD", to: "again") == 0)
        fixture.tree.renames.wait()
        #expect(try fixture.left == ["again/IM2", "again/half.dcm"])
        // Whoever writes there writes to a file of his own.
        let again = try fixture.tree.lookup(Array("again".utf8), in: fixture.root).ino
        #expect(
            try fixture.tree.lookup(Array("half.dcm".utf8), in: again).attr.st_mode == S_IFREG
                | 0o644)
        let writer = try fixture.open("half.dcm", flags: O_WRONLY | O_TRUNC, in: again)
        try fixture.write(Array(image(3).dropLast(100)), to: writer)
        fixture.tree.release(writer)
        #expect(try fixture.left == ["again/IM2", "again/half (1).dcm", "again/half.dcm"])
        try fixture.startAgain()
        #expect(try fixture.isBlob(half) && fixture.isBlob(image(2)))
        #expect(try fixture.rejected().keys.filter { $0.hasPrefix("again") } == ["again/half.dcm"])
    }

    @Test("A name that is taken is replaced, or not when that is asked for")
    func taken() throws {
        try setAside(image(1), as: "IM1")
        try fixture.save(image(2), as: "IM1.dcm")
        #expect(try move("IM1", to: "IM1.dcm") == EEXIST)
        #expect(try move("IM1", to: "IM1.dcm", mustBeNew: false) == 0)
        #expect(try fixture.bytes(of: fixture.open("IM1.dcm", flags: O_RDONLY)) == image(1))
        #expect(try fixture.isBlob(image(1)) && fixture.isBlob(image(2)))
    }

    @Test("Under a temporary name it waits for its rename")
    func temporaryName() throws {
        try setAside(image(1), as: "IM1")
        #expect(try move("IM1", to: "IM1.part") == 0)
        #expect(try fixture.instances == 0)
        #expect(fixture.rename("IM1.part", to: "IM1.dcm") == 0)
        #expect(try fixture.isBlob(image(1)))
    }

    @Test("A file that is refused again, on the same day too, is in rejected again")
    func refusedAgain() throws {
        let letter = Array("Dear client".utf8)
        try fixture.save(letter, as: "letter.txt")
        try settling { () throws in
            #expect(try eventually { try fixture.left.isEmpty && !fixture.rejected().isEmpty })
        }
        let day = try #require(
            try FileManager.default.contentsOfDirectory(
                atPath: fixture.temporary.volumes[0] + "/rejected"
            ).first)
        #expect(try move("letter.txt", from: day, to: "letter.txt") == 0)
        #expect(try fixture.left == ["letter.txt"])
        try settling { () throws in #expect(try eventually { try fixture.left.isEmpty }) }
        #expect(try fixture.rejected().keys.sorted() == ["letter.txt"])
        #expect(
            try contents(of: fixture.temporary.volumes[1] + "/rejected/\(day)/letter.txt") == letter
        )
    }
}
