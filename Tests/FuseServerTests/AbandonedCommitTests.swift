import Archive
import Foundation
import Glibc
import Storage
import System
import TemporaryArchive
import TestSupport
import Testing

@testable import FuseServer

/// A kill leaves a file in `/incoming` that has its second name in `staging/commit`. Then the file
/// goes another way than into the archive.
@Suite("Names in staging/commit that nobody is on the way with")
struct AbandonedCommitTests {
    private let fixture: TreeFixture
    private let bytes = image(1)
    private var digest: Digest { .of(bytes) }

    init() throws { fixture = try TreeFixture() }

    private func staged(on volume: Int = 1) -> String {
        "\(fixture.temporary.volumes[volume - 1])/staging/commit/\(digest.hex).dcm"
    }

    private func isStaged(on volume: Int = 1) -> Bool { access(staged(on: volume), F_OK) == 0 }

    /// What a kill leaves between the steps "stage" and "ledger".
    private func leave(_ bytes: [UInt8], as name: String, isBlob: Bool = false) throws {
        try fixture.temporary.folder.write(bytes, to: "volume1/staging/incoming/" + name)
        try #require(link(fixture.path(name), staged()) == 0)
        guard isBlob else { return }
        let blob = fixture.temporary.blob(digest, on: 1)
        try FileManager.default.createDirectory(
            atPath: (blob as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try #require(link(fixture.path(name), blob) == 0)
    }

    /// Until a name that is there now was seen twice.
    private func look(_ archive: Archive) { for _ in 1...3 { archive.recover() } }

    private func instances(_ archive: Archive) throws -> Int64 {
        try archive.index.read { try $0.totals().instances }
    }

    @Test("A RENAME that was cut off is archived; its program may still go on with the old name")
    func renaming() throws {
        let name = ".IM1.dcm.Ab3dE6"
        try leave(bytes, as: name)
        try fixture.startAgain { (archive, trees) throws in
            look(archive)
            #expect(!isStaged())
            #expect(try instances(archive) == 1)
            #expect(try fixture.isBlob(bytes))
            #expect(try fixture.left == [name])
            let answer = Answer()
            trees.incoming.rename(
                Array(name.utf8), in: fixture.root,
                to: .init(name: Array("IM1.dcm".utf8), parent: fixture.root, mustBeNew: false),
                replyingTo: answer.reply)
            #expect(answer.wait() == 0)
            #expect(try instances(archive) == 1)
            // Who writes to it now writes to a copy.
            let number = try trees.incoming.lookup(Array("IM1.dcm".utf8), in: fixture.root).ino
            try trees.incoming.truncate(number, to: 10)
            #expect(try fixture.isBlob(bytes))
        }
    }

    @Test("What is to be archived when it settles is left to that")
    func waiting() throws {
        try leave(bytes, as: "IM1.dcm")
        try fixture.startAgain { (archive, trees) throws in
            look(archive)
            #expect(isStaged())
            #expect(try instances(archive) == 0)
            trees.incoming.archiveInBackground(
                try trees.incoming.lookup(Array("IM1.dcm".utf8), in: fixture.root).ino)
            let isArchived = try eventually { try instances(archive) == 1 && !isStaged() }
            #expect(isArchived)
            let source = try archive.index.read { try $0.details(1) }?.source
            #expect(source == "incoming/IM1.dcm")
        }
    }

    @Test("What its user removes goes, and is not archived")
    func removed() throws {
        try leave(bytes, as: "IM1.dcm")
        try fixture.startAgain { (archive, trees) throws in
            archive.recover()
            try trees.incoming.unlink(Array("IM1.dcm".utf8), in: fixture.root)
            look(archive)
            #expect(!isStaged())
            #expect(try instances(archive) == 0)
        }
    }

    @Test("So does what gets other bytes")
    func overwritten() throws {
        try leave(bytes, as: "x.part")
        try fixture.startAgain { (archive, trees) throws in
            archive.recover()
            let number = try trees.incoming.lookup(Array("x.part".utf8), in: fixture.root).ino
            try trees.incoming.truncate(number, to: 0)
            look(archive)
            #expect(!isStaged())
            #expect(try instances(archive) == 0)
            #expect(try fixture.left == ["x.part"])
        }
    }

    @Test("So does a copy on another volume that no file has any more")
    func copy() throws {
        try leave(bytes, as: "IM1.dcm")
        try fixture.startAgain { (archive, trees) throws in
            try fixture.temporary.folder.write(
                bytes, to: "volume2/staging/commit/\(digest.hex).dcm")
            look(archive)
            #expect(!isStaged(on: 2))
            #expect(isStaged())
        }
    }

    @Test("What is a blob gets its record, also when its user has removed the file")
    func blob() throws {
        try leave(bytes, as: "IM1.dcm", isBlob: true)
        try fixture.startAgain { (archive, trees) throws in
            try trees.incoming.unlink(Array("IM1.dcm".utf8), in: fixture.root)
            look(archive)
            #expect(!isStaged())
            #expect(try instances(archive) == 1)
            #expect(try fixture.isBlob(bytes))
        }
    }

    @Test("A truncated image that somebody had moved out of rejected is archived as it is")
    func truncated() throws {
        // Its mark has gone with its mode when it was staged.
        let cut = Array(bytes.dropLast(100))
        try fixture.temporary.folder.write(cut, to: "volume1/staging/incoming/IM1.dcm")
        let name = "\(fixture.temporary.volumes[0])/staging/commit/\(Digest.of(cut).hex).dcm"
        try #require(link(fixture.path("IM1.dcm"), name) == 0)
        try fixture.startAgain { (archive, trees) throws in
            trees.incoming.archiveInBackground(
                try trees.incoming.lookup(Array("IM1.dcm".utf8), in: fixture.root).ino)
            let isArchived = try eventually {
                try instances(archive) == 1 && access(name, F_OK) != 0
            }
            #expect(isArchived)
            #expect(try fixture.isBlob(cut))
        }
    }

    @Test("What recovery could not archive for want of a volume is archived when that is there")
    func absent() throws {
        let clock = ManualClock()
        let path = fixture.temporary.volumes[1]
        try fixture.temporary.folder.write(
            bytes, to: "volume1/staging/commit/\(digest.hex).dcm")
        fixture.archive.close()
        try FileManager.default.moveItem(atPath: path, toPath: path + ".unplugged")
        try fixture.startAgain(clock: clock) { (archive, _) throws in
            try archive.startMaintenance()
            // The work of a start, and a look at the name; it stays.
            #expect(
                eventually {
                    fixture.temporary.log.messages(.trace).contains {
                        $0.contains("was not archived") && $0.contains(digest.hex)
                    }
                })
            #expect(isStaged())
            try FileManager.default.moveItem(atPath: path + ".unplugged", toPath: path)
            let isArchived = try eventually {
                clock.advance(by: 3)
                return try instances(archive) == 1 && !isStaged()
            }
            #expect(isArchived)
            #expect(try fixture.isBlob(bytes))
        }
    }
}
