import TestSupport
import Foundation
import Testing

@testable import Storage

@Suite("A volume", .onEveryFileSystem) struct VolumeTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("is made with identity and layout, and opens again") func create() throws {
        let made = try folder.volume(3, domain: "shed")
        #expect(made.identity.ordinal == 3)
        #expect(made.identity.domain == "shed")
        #expect(
            Set(try FileManager.default.contentsOfDirectory(atPath: made.path))
                == ["pacsfs-volume.json", "README.txt", "blobs", "ledger", "staging", "rejected"])
        let opened = try folder.reopen(3)
        #expect(opened.identity == made.identity)
        #expect(Timestamp(opened.identity.created) != nil)
    }

    @Test("is made in an empty file system that has lost+found") func lostAndFound() throws {
        try write([], to: folder.path("volume1/lost+found/x"))
        try FileManager.default.removeItem(atPath: folder.path("volume1/lost+found/x"))
        _ = try folder.volume()
    }

    @Test("is not made of a folder that holds something") func notEmpty() throws {
        try write([1], to: folder.path("volume1/photo.jpg"))
        let error = expectError(.notEmpty) { try folder.volume() }
        #expect(error?.message.contains("photo.jpg") == true)
        #expect(try files(below: folder.path("volume1")) == ["photo.jpg"])
    }

    @Test("is not made of another volume, nor of a half one with blobs") func notTwice() throws {
        _ = try folder.volume()
        expectError(.notEmpty) { try folder.volume() }
        try FileManager.default.removeItem(atPath: folder.path("volume1/pacsfs-volume.json"))
        try write([1], to: folder.path("volume1/blobs/00/00/x.dcm"))
        expectError(.notEmpty) { try folder.volume() }
    }

    @Test("is made when its creation was interrupted before") func interrupted() throws {
        _ = try folder.volume()
        try FileManager.default.removeItem(atPath: folder.path("volume1/pacsfs-volume.json"))
        try write([1], to: folder.path("volume1/pacsfs-volume.json.tmp"))
        _ = try folder.volume()
        _ = try folder.reopen()
    }

    @Test("is not made two levels deep") func deep() throws {
        expectError(.notFound) {
            try Volume.create(
                at: folder.path("a/b"), archive: archive, ordinal: 1, domain: "d")
        }
    }

    @Test("that is not there is said to be not there") func missing() throws {
        let error = expectError(.notFound) { try folder.reopen() }
        #expect(error?.message == "the volume's folder is not there")
    }

    @Test("that is an empty mount point is not taken for an empty volume") func unmounted() throws {
        try FileManager.default.createDirectory(
            atPath: folder.path("volume1"), withIntermediateDirectories: false)
        let error = expectError(.notAVolume) { try folder.reopen() }
        #expect(error?.remedy.contains("Is the disk mounted?") == true)
        #expect(try files(below: folder.path("volume1")) == [])
    }

    @Test("of another archive is refused, and opens when any archive will do") func other() throws {
        _ = try folder.volume()
        let error = expectError(.wrongArchive) {
            try Volume.open(at: folder.path("volume1"), archive: "0000")
        }
        #expect(error?.message.contains(archive) == true)
        let any = try Volume.open(at: folder.path("volume1"), archive: nil)
        #expect(any.identity.archive == archive)
    }

    @Test("of a newer format is refused") func newer() throws {
        let path = folder.path("volume1/pacsfs-volume.json")
        _ = try folder.volume()
        let text = try text(path).replacing("\"format\": 1", with: "\"format\": 2")
        try write(Array(text.utf8), to: path)
        expectError(.newerFormat) { try folder.reopen() }
    }

    @Test(
        "with a damaged identity is refused",
        arguments: ["", "{", "[]", "{\"format\": 1}", "{\"format\": 1, \"archive\": \"\"}"])
    func damaged(identity: String) throws {
        _ = try folder.volume()
        try write(Array(identity.utf8), to: folder.path("volume1/pacsfs-volume.json"))
        expectError(.corrupt) { try folder.reopen() }
    }

    @Test("whose identity is a symbolic link is refused") func link() throws {
        _ = try folder.volume()
        let path = folder.path("volume1/pacsfs-volume.json")
        try FileManager.default.moveItem(atPath: path, toPath: folder.path("elsewhere"))
        try FileManager.default.createSymbolicLink(
            atPath: path, withDestinationPath: folder.path("elsewhere"))
        expectError(.invalidArgument) { try folder.reopen() }
    }

    @Test("gets new staging folders when those were lost") func staging() throws {
        _ = try folder.volume()
        try FileManager.default.removeItem(atPath: folder.path("volume1/staging"))
        _ = try folder.reopen()
        #expect(FileManager.default.fileExists(atPath: folder.path("volume1/staging/commit")))
    }

    @Test("keeps a hundredth free, within limits") func reserve() throws {
        #expect(Volume.defaultReserve(ofTotal: 100 << 20) == 8 << 20)
        #expect(Volume.defaultReserve(ofTotal: 50 << 30) == (50 << 30) / 100)
        #expect(Volume.defaultReserve(ofTotal: 8 << 40) == 1 << 30)
        let volume = try folder.volume()
        let space = try volume.space()
        #expect(space.total > 0 && space.available <= space.total && !space.isReadOnly)
        #expect(try volume.freeSpace() > 0)
    }

    @Test("has a random id that is a UUID of version 4") func identifiers() throws {
        let ids = (0..<100).map { _ in VolumeIdentity.randomIdentifier() }
        #expect(Set(ids).count == 100)
        for id in ids {
            let uuid = try #require(UUID(uuidString: id))
            #expect(uuid.uuid.6 >> 4 == 4 && uuid.uuid.8 >> 6 == 2)
        }
    }

    @Test(
        "that was unmounted writes nothing into the mount point below",
        .onPlainFolder, .enabled(if: SmallDisk.isPossible, "mounting needs root"))
    func unplugged() throws {
        let point = folder.path("volume1")
        try FileManager.default.createDirectory(
            atPath: point, withIntermediateDirectories: false)
        let disk = try SmallDisk(at: point, bytes: 32 << 20)
        let volume = try folder.volume()
        disk.unplug()
        let source = try folder.file("a", content(1))
        try volume.stageCopy(from: source.number, as: .of(content(1)), bytes: 1000)
        #expect(try files(below: point) == [])
        expectError(.notAVolume) { try folder.reopen() }
    }

    @Test(
        "that is mounted read-only can be read, and refuses new files",
        .onPlainFolder, .enabled(if: SmallDisk.isPossible, "mounting needs root"))
    func readOnly() throws {
        let point = folder.path("volume1")
        try FileManager.default.createDirectory(
            atPath: point, withIntermediateDirectories: false)
        let disk = try SmallDisk(at: point, bytes: 32 << 20)
        defer { disk.unplug() }
        let source = try folder.file("a", content(1))
        let staged = StagedBlob(digest: .of(content(1)), bytes: 1000)
        do {
            let volume = try folder.volume()
            try volume.stageCopy(from: source.number, as: staged.digest, bytes: 1000)
            _ = try volume.commit([staged])
            let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
            _ = try ledger.append([entry(1)])
        }
        try #require(disk.makeReadOnly())
        let volume = try folder.reopen()
        #expect(try volume.space().isReadOnly)
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000))
        #expect(try records(volume).count == 1)
        expectError(.readOnly) {
            try volume.stageCopy(from: source.number, as: staged.digest, bytes: 1000)
        }
        expectError(.readOnly) { try volume.setAside(staged.digest) }
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        expectError(.readOnly) { try ledger.append([entry(2)]) }
        #expect(try records(volume).count == 1)
    }
}
