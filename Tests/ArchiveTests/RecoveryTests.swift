import TestSupport
import Archive
import Foundation
import Storage
import SyntheticStudy
import System
import TemporaryArchive
import Testing

@Suite("Recovery at start")
struct RecoveryTests {
    private let temporary: TemporaryArchive
    private let image = series(images: 1)[0]
    private var digest: Digest { .of(image) }

    init() throws { temporary = try TemporaryArchive() }

    private func incoming(_ name: String) -> String {
        temporary.volumes[0] + "/staging/incoming/" + name
    }

    private func put(_ bytes: [UInt8], incoming name: String) throws {
        try temporary.folder.write(bytes, to: "volume1/staging/incoming/" + name)
    }

    private func put(_ bytes: [UInt8], commit name: String, on volume: Int = 1) throws {
        try temporary.folder.write(bytes, to: "volume\(volume)/staging/commit/" + name)
    }

    private func left() throws -> [String] {
        try files(below: temporary.volumes[0] + "/staging/incoming")
    }

    /// What was set aside: name, bytes and reason.
    private func rejected(on volume: Int = 1) throws -> [String: (bytes: [UInt8], reason: String)] {
        let folder = temporary.volumes[volume - 1] + "/rejected"
        var result: [String: (bytes: [UInt8], reason: String)] = [:]
        for name in try files(below: folder)
        where !name.hasSuffix(".reason.txt") && !name.hasPrefix("torn-ledger") {
            let reason = try contents(of: folder + "/" + name + ".reason.txt")
            result[name.split(separator: "/").dropFirst().joined(separator: "/")] = (
                try contents(of: folder + "/" + name), String(decoding: reason, as: UTF8.self)
            )
        }
        return result
    }

    private func start() throws { try temporary.open { _ in } }

    // MARK: staging/commit

    @Test("A whole file in staging/commit is archived on both volumes", arguments: 1...2)
    func wholeCommit(volume: Int) throws {
        try put(image, commit: digest.hex + ".dcm", on: volume)
        try start()
        try temporary.expectBlobs([image])
        let record = try #require(try temporary.ledger().last?.entry)
        #expect(record.kind == "ingest")
        #expect(record.body["from"]?.string == "recovered/\(digest.hex).dcm")
    }

    @Test("One that is on both volumes is archived once")
    func wholeOnBoth() throws {
        for volume in 1...2 { try put(image, commit: digest.hex + ".dcm", on: volume) }
        try start()
        try temporary.expectBlobs([image])
        #expect(try temporary.kinds()["ingest"] == 1)
        #expect(try temporary.kinds()["duplicate"] == nil)
    }

    @Test("One that is a blob already, but in no ledger, is archived")
    func blobWithoutRecord() throws {
        for volume in 1...2 {
            try put(image, commit: digest.hex + ".dcm", on: volume)
            let blob = temporary.blob(digest, on: volume)
            try FileManager.default.createDirectory(
                atPath: (blob as NSString).deletingLastPathComponent,
                withIntermediateDirectories: true)
            #expect(
                link(temporary.volumes[volume - 1] + "/staging/commit/\(digest.hex).dcm", blob) == 0
            )
        }
        try start()
        try temporary.expectBlobs([image])
        #expect(try temporary.kinds()["ingest"] == 1)
    }

    @Test("One that lies in incoming too is known by its path there, which goes")
    func wholeWithName() throws {
        try put(image, incoming: "cd/IM1.dcm")
        #expect(
            link(incoming("cd/IM1.dcm"), temporary.volumes[0] + "/staging/commit/\(digest.hex).dcm")
                == 0)
        try start()
        try temporary.expectBlobs([image])
        #expect(try temporary.ledger().last?.entry.body["from"]?.string == "incoming/cd/IM1.dcm")
        #expect(try left() == [])
        #expect(try rejected().isEmpty)
        #expect(!FileManager.default.fileExists(atPath: incoming("cd")))
    }

    @Test(
        "One whose bytes are not what its name says is dropped",
        arguments: ["cut", "spoiled", "empty"])
    func tornCommit(how: String) throws {
        var bytes = image
        switch how {
        case "cut": bytes.removeLast(100)
        case "spoiled": bytes[1000] ^= 1
        default: bytes = []
        }
        try put(bytes, commit: digest.hex + ".dcm")
        try start()
        try temporary.expectBlobs([])
        #expect(try temporary.kinds() == ["volume": 2, "views": 1])
    }

    @Test("One that is indexed already is dropped, and nothing is recorded")
    func indexedCommit() throws {
        try temporary.archive([image])
        let before = try temporary.index.dump()
        for volume in 1...2 {
            #expect(
                link(
                    temporary.blob(digest, on: volume),
                    temporary.volumes[volume - 1] + "/staging/commit/\(digest.hex).dcm") == 0)
        }
        try start()
        try temporary.expectBlobs([image])
        #expect(try temporary.index.dump() == before)
    }

    @Test("One that is in the ledger but not in the index is replayed first, then dropped")
    func recordedCommit() throws {
        try temporary.open { _ in }
        let index = try contents(of: temporary.path + "/index.sqlite")
        try temporary.archive([image])
        temporary.removeIndex()
        try Data(index).write(to: URL(fileURLWithPath: temporary.path + "/index.sqlite"))
        #expect(
            link(
                temporary.blob(digest, on: 1),
                temporary.volumes[0] + "/staging/commit/\(digest.hex).dcm") == 0)
        try start()
        try temporary.expectBlobs([image])
        #expect(try temporary.kinds()["ingest"] == 1)
        #expect(try temporary.kinds()["duplicate"] == nil)
    }

    @Test("Copies that were never completed go")
    func partialCopies() throws {
        for volume in 1...2 { try put([1, 2, 3], commit: "\(digest.hex).77.part", on: volume) }
        try start()
        try temporary.expectBlobs([])
    }

    @Test("What waits in incoming of another volume is taken over, with its folders, and taken up")
    func gathering() throws {
        let other = temporary.volumes[1] + "/staging/incoming"
        try temporary.folder.write([1, 2], to: "volume2/staging/incoming/CD/a.dcm.part")
        try temporary.folder.write([3], to: "volume2/staging/incoming/taken.part")
        try temporary.folder.write([4], to: "volume1/staging/incoming/taken.part")
        // As a crash leaves it that came in between.
        try temporary.folder.write([5], to: "volume2/staging/incoming/twice.part")
        try temporary.folder.write([5], to: "volume1/staging/incoming/twice.part")
        chmod(other + "/CD/a.dcm.part", 0o640)
        // Its writer goes on in its own folder.
        chmod(other + "/CD", 0o700)
        if geteuid() == 0 {
            #expect(chown(other + "/CD", 1234, 1234) == 0)
            #expect(chown(other + "/CD/a.dcm.part", 1234, 1234) == 0)
        }
        try temporary.open { _ in }
        #expect(try left() == ["CD/a.dcm.part", "taken.part", "twice.part"])
        #expect(try contents(of: incoming("CD/a.dcm.part")) == [1, 2])
        var status = stat()
        #expect(stat(incoming("CD/a.dcm.part"), &status) == 0 && status.st_mode & 0o777 == 0o640)
        let owner = geteuid() == 0 ? 1234 : geteuid()
        #expect(status.st_uid == owner)
        #expect(stat(incoming("CD"), &status) == 0 && status.st_mode & 0o777 == 0o700)
        #expect(status.st_uid == owner)
        #expect(try files(below: other) == ["taken.part"])
        #expect(try contents(of: incoming("taken.part")) == [4])
        #expect(try contents(of: other + "/taken.part") == [3])
        #expect(
            temporary.log.messages(.error).contains {
                $0.contains("taken.part") && $0.contains("stays")
            })
    }

    // MARK: staging/incoming

    @Test("A copy that was interrupted is set aside on both volumes, and says so")
    func interrupted() throws {
        let half = Array(image.prefix(image.count - 200))
        try put(half, incoming: "CD 1/DICOM/IM1.dcm")
        try start()
        #expect(try left() == [])
        for volume in 1...2 {
            let kept = try rejected(on: volume)
            #expect(kept.keys.sorted() == ["CD 1/DICOM/IM1.dcm"])
            #expect(kept["CD 1/DICOM/IM1.dcm"]?.bytes == half)
            #expect(kept["CD 1/DICOM/IM1.dcm"]?.reason == IncomingDecision.interrupted + "\n")
        }
        #expect(
            try temporary.ledger().last?.entry.body["from"]?.string == "incoming/CD 1/DICOM/IM1.dcm"
        )
        #expect(!FileManager.default.fileExists(atPath: incoming("CD 1")))
        try temporary.expectBlobs([])
    }

    @Test("What is no DICOM is set aside with that reason, and an empty file with its own")
    func noImage() throws {
        try put(Array("Dear client".utf8), incoming: "letter.txt")
        try put([], incoming: "nothing.dcm")
        try start()
        let kept = try rejected()
        #expect(kept.keys.sorted() == ["letter.txt", "nothing.dcm"])
        #expect(kept["letter.txt"]?.reason.contains("DICOM") == true)
        #expect(kept["nothing.dcm"]?.reason.contains("empty") == true)
        #expect(try left() == [])
    }

    @Test("A file whose bytes are archived goes, and is not set aside")
    func archivedAlready() throws {
        try temporary.archive([image])
        try put(image, incoming: "again/IM1.dcm")
        try start()
        #expect(try left() == [])
        #expect(try rejected().isEmpty)
        #expect(try temporary.kinds()["duplicate"] == 1)
        try temporary.expectBlobs([image])
    }

    @Test("Before it goes the archived copies are looked at, and healed from it")
    func archivedAndDamaged() throws {
        try temporary.archive([image])
        for volume in 1...2 { truncate(temporary.blob(digest, on: volume), 100) }
        try put(image, incoming: "again/IM1.dcm")
        try start()
        #expect(try left() == [])
        try temporary.expectBlobs([image])
    }

    @Test("What has a temporary name stays for whoever writes it, and so does its folder")
    func temporaryNames() throws {
        let names = ["cd/.IM1.dcm.Ab3dE6", "cd/IM2.dcm.part", "~$letter.docx"]
        for name in names { try put(image, incoming: name) }
        try FileManager.default.createDirectory(
            atPath: incoming("empty/deeper"), withIntermediateDirectories: true)
        try start()
        #expect(try left() == names)
        #expect(try rejected().isEmpty)
        #expect(!FileManager.default.fileExists(atPath: incoming("empty")))
    }

    @Test("Junk goes without a word, and so do the daemon's own temporary files")
    func junk() throws {
        for name in ["cd/.DS_Store", "cd/Thumbs.db", "._IM1.dcm", "desktop.ini", ".pacsfs-12"] {
            try put([1, 2, 3], incoming: name)
        }
        try start()
        #expect(try left() == [])
        #expect(try rejected().isEmpty)
        #expect(try temporary.kinds()["reject"] == nil)
        #expect(!FileManager.default.fileExists(atPath: incoming("cd")))
    }

    @Test("A name that is no UTF-8 is not lost")
    func namesAreBytes() throws {
        // Latin-1: "Müller.txt".
        let name: [UInt8] =
            Array((temporary.volumes[0] + "/staging/incoming/M").utf8) + [0xFC]
            + Array("ller.txt".utf8)
        let descriptor = name.withCString { open($0, O_WRONLY | O_CREAT, 0o600) }
        #expect(descriptor >= 0)
        #expect(write(descriptor, "Hello", 5) == 5)
        close(descriptor)
        try start()
        for volume in 1...2 {
            #expect(try rejected(on: volume).values.map(\.bytes) == [Array("Hello".utf8)])
        }
        #expect(name.withCString { access($0, F_OK) } != 0)
    }

    @Test("Starting twice changes nothing more")
    func repeated() throws {
        try put(image, commit: digest.hex + ".dcm")
        try put(Array("letter".utf8), incoming: "letter.txt")
        try put([1], incoming: "x.part")
        try start()
        let (index, ledger) = (
            try temporary.index.dump(), try contents(of: temporary.ledgerFile(on: 1))
        )
        try start()
        #expect(try temporary.index.dump() == index)
        #expect(try contents(of: temporary.ledgerFile(on: 1)) == ledger)
        #expect(try left() == ["x.part"])
    }
}
