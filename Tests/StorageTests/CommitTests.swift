import TestSupport
import Foundation
import System
import Testing

@testable import Storage

/// Steps from a file to a blob; where a process dies is after one of them.
@Suite("A staged file", .onEveryFileSystem) struct CommitTests {
    let folder: TemporaryFolder
    let staged = StagedBlob(digest: .of(content(1)), bytes: 1000)

    init() throws { folder = try TemporaryFolder() }

    private func stage(on volume: Volume) throws {
        let source = try folder.file("source", content(1))
        try volume.stageCopy(from: source.number, as: staged.digest, bytes: 1000)
    }

    private func blobFile(_ volume: Volume) -> String {
        volume.path + "/" + volume.blobPath(staged.digest)
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    @Test("becomes a blob: its bytes, its name, mode 0444") func commit() throws {
        let volume = try folder.volume()
        try stage(on: volume)
        #expect(try volume.inodeFault(of: staged.digest, bytes: 1000) == .missing)
        #expect(try volume.commit([staged]) == [.stored])
        let hex = staged.digest.hex
        #expect(
            volume.blobPath(staged.digest)
                == "blobs/\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm")
        #expect(try read(blobFile(volume)) == content(1))
        #expect(try mode(blobFile(volume)) == 0o444)
        #expect(try volume.inodeFault(of: staged.digest, bytes: 1000) == nil)
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000))
        let blob = try volume.openBlob(staged.digest)
        #expect(try FileIO.bytes(blob.number, at: 0, count: 2000, path: "") == content(1))
    }

    @Test("is pending until it is finished, wherever the process died", arguments: [true, false])
    func crashPoints(hardLinks: Bool) throws {
        var volume = try folder.volume()
        if !hardLinks { volume.setNoHardLinks() }
        try stage(on: volume)

        volume = try folder.reopen()
        #expect(
            try volume.pendingCommits()
                == [PendingCommit(digest: staged.digest, stagedBytes: 1000, blobBytes: nil)])
        #expect(try volume.verifyStaged(staged))
        if !hardLinks { volume.setNoHardLinks() }
        #expect(try volume.commit([staged]) == [.stored])

        volume = try folder.reopen()
        let pending = try volume.pendingCommits()
        #expect(
            pending == [
                PendingCommit(
                    digest: staged.digest, stagedBytes: hardLinks ? 1000 : nil, blobBytes: 1000)
            ])
        #expect(try volume.commit([staged]) == [.stored])
        #expect(try volume.commit([staged, staged]) == [.stored, .stored])

        volume = try folder.reopen()
        #expect(try volume.pendingCommits().count == 1)
        try volume.finish([staged.digest])
        #expect(try volume.pendingCommits() == [])
        try volume.finish([staged.digest])
        #expect(try files(below: volume.path + "/staging") == [])
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000))
    }

    @Test("goes on after a crash between its link and the folders' sync") func linked() throws {
        let volume = try folder.volume()
        try stage(on: volume)
        let path = blobFile(volume)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        #expect(
            link(volume.path + "/staging/commit/\(staged.digest.hex).dcm", path) == 0)
        #expect(try folder.reopen().commit([staged]) == [.stored])
    }

    @Test("that was marked but not renamed goes on, on a file system without links")
    func marked() throws {
        var volume = try folder.volume()
        try stage(on: volume)
        try write([], to: volume.path + "/staging/commit/\(staged.digest.hex).pending")
        volume = try folder.reopen()
        #expect(try volume.pendingCommits().map(\.stagedBytes) == [1000])
        #expect(try volume.commit([staged]) == [.stored])
        try volume.finish([staged.digest])
        #expect(try files(below: volume.path + "/staging") == [])
    }

    @Test("whose bytes power loss took is found out") func halfWritten() throws {
        let volume = try folder.volume()
        let path = volume.path + "/staging/commit/\(staged.digest.hex).dcm"
        try write(Array(content(1).prefix(600)), to: path)
        #expect(try volume.pendingCommits().map(\.stagedBytes) == [600])
        #expect(try volume.verifyStaged(staged) == false)
        expectError(.corrupt) { try volume.commit([staged]) }
        try write([UInt8](repeating: 0, count: 1000), to: path)
        #expect(try volume.verifyStaged(staged) == false)
        // The source is still there: it is staged again, over the bad copy.
        try stage(on: volume)
        #expect(try volume.commit([staged]) == [.stored])
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000))
    }

    @Test("that was never complete is removed by recovery") func partial() throws {
        let volume = try folder.volume()
        try write([1, 2], to: volume.path + "/staging/commit/\(staged.digest.hex).77.part")
        #expect(try volume.pendingCommits() == [])
        #expect(try volume.removePartialCopies() == 1)
        #expect(try files(below: volume.path + "/staging") == [])
    }

    @Test("that was not staged cannot be committed") func notStaged() throws {
        let volume = try folder.volume()
        expectError(.notFound) { try volume.commit([staged]) }
    }

    @Test("that is a blob already leaves that alone") func duplicate() throws {
        let volume = try folder.volume()
        try stage(on: volume)
        _ = try volume.commit([staged])
        try volume.finish([staged.digest])
        let before = try #require(try volume.blobs.facts(Volume.blobName(staged.digest)))
        try stage(on: volume)
        #expect(try volume.commit([staged]) == [.alreadyPresent])
        let after = try #require(try volume.blobs.facts(Volume.blobName(staged.digest)))
        #expect(after.isSameFile(as: before))
    }

    @Test(
        "replaces a bad blob only on request, and keeps the bad one", arguments: [true, false])
    func replace(hardLinks: Bool) throws {
        let volume = try folder.volume()
        if !hardLinks { volume.setNoHardLinks() }
        try stage(on: volume)
        let bad = Array(content(1).prefix(10))
        try write(bad, to: blobFile(volume))
        #expect(try volume.inodeFault(of: staged.digest, bytes: 1000) == .wrongSize(10))
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000) == false)
        #expect(try volume.commit([staged]) == [.blocked(bytes: 10)])
        #expect(try read(blobFile(volume)) == bad)

        #expect(try volume.commit([staged], replacing: [staged.digest]) == [.stored])
        try volume.finish([staged.digest])
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000))
        let aside = try files(below: volume.path + "/rejected/bad-blobs")
        #expect(aside.count == 1)
        #expect(try read(volume.path + "/rejected/bad-blobs/" + aside[0]) == bad)
        #expect(try files(below: volume.path + "/staging") == [])
    }

    @Test("takes the place of a bad blob of the right size") func replaceSameSize() throws {
        let volume = try folder.volume()
        try write(content(2), to: blobFile(volume))
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000) == false)
        try stage(on: volume)
        #expect(try volume.commit([staged], replacing: [staged.digest]) == [.stored])
        #expect(try volume.verifyBlob(staged.digest, bytes: 1000))
    }

    @Test("in a large batch with others becomes a blob with one sync") func largeBatch() throws {
        let volume = try folder.volume()
        var batch: [StagedBlob] = []
        for seed in 0..<40 as Range<UInt64> {
            let bytes = content(seed, count: Int(seed))
            let source = try folder.file("source", bytes)
            batch.append(StagedBlob(digest: .of(bytes), bytes: Int64(seed)))
            try volume.stageCopy(
                from: source.number, as: .of(bytes), bytes: Int64(seed), checking: seed % 2 == 0)
        }
        #expect(try volume.commit(batch) == batch.map { _ in .stored })
        for blob in batch { #expect(try volume.verifyBlob(blob.digest, bytes: blob.bytes)) }
    }
}

@Suite("Staging", .onEveryFileSystem) struct StagingTests {
    let folder: TemporaryFolder
    let digest = Digest.of(content(1))

    init() throws { folder = try TemporaryFolder() }

    @Test("refuses a source that does not match its digest, and leaves nothing") func wrong() throws
    {
        let volume = try folder.volume()
        let source = try folder.file("source", content(2))
        expectError(.corrupt) {
            try volume.stageCopy(from: source.number, as: digest, bytes: 1000, checking: true)
        }
        expectError(.corrupt) {
            try volume.stageCopy(from: source.number, as: digest, bytes: 999)
        }
        expectError(.corrupt) {
            try volume.stageLink(from: source.number, as: digest, bytes: 1001)
        }
        #expect(try files(below: volume.path + "/staging") == [])
    }

    @Test("copies large files in all ways", arguments: [true, false]) func large(hash: Bool) throws
    {
        let volume = try folder.volume()
        let bytes = content(3, count: 9_000_001)
        let source = try folder.file("source", bytes)
        let staged = StagedBlob(digest: .of(bytes), bytes: 9_000_001)
        try volume.stageCopy(
            from: source.number, as: staged.digest, bytes: staged.bytes, checking: hash)
        #expect(try volume.verifyStaged(staged))
    }

    @Test("links a file of the incoming tree, which stays the same file") func link() throws {
        let volume = try folder.volume()
        try write(content(1), to: volume.path + "/staging/incoming/a b/c.dcm")
        let source = try volume.incoming.openDirectory("a b").openFile("c.dcm")
        #expect(fchmod(source.number, 0o640) == 0)
        let isRoot = geteuid() == 0
        if isRoot { #expect(fchown(source.number, 1234, 1234) == 0) }
        try volume.stageLink(from: source.number, as: digest, bytes: 1000)
        #expect(
            try volume.commit([StagedBlob(digest: digest, bytes: 1000)]) == [.stored])
        // The record may still fail: then its writer goes on with it.
        let before = try FileFacts.of(source.number, path: "c.dcm")
        #expect(before.mode == 0o444 && before.owner == (isRoot ? 1234 : geteuid()))
        try volume.finish([digest])
        let tree = try volume.incoming.openDirectory("a b")
        let incoming = try #require(try tree.facts("c.dcm"))
        let blob = try #require(try volume.blobs.facts(Volume.blobName(digest)))
        #expect(incoming.isSameFile(as: blob))
        #expect(blob.mode == 0o444 && blob.owner == geteuid())
    }

    @Test("of the same file twice keeps one good copy") func twice() throws {
        let volume = try folder.volume()
        let source = try folder.file("source", content(1))
        try volume.stageCopy(from: source.number, as: digest, bytes: 1000)
        try volume.stageCopy(from: source.number, as: digest, bytes: 1000)
        #expect(try files(below: volume.path + "/staging") == ["commit/\(digest.hex).dcm"])
    }

    @Test("is refused when only the reserve is left") func full() throws {
        _ = try folder.volume()
        let volume = try Volume.open(
            at: folder.path("volume1"), archive: archive, reserve: .max / 2)
        let source = try folder.file("source", content(1))
        expectError(.noSpace) {
            try volume.stageCopy(from: source.number, as: digest, bytes: 1000)
        }
        #expect(try volume.freeSpace() == 0)
    }

    @Test(
        "that fills the disk fails and leaves nothing",
        .onPlainFolder, .enabled(if: SmallDisk.isPossible, "mounting needs root"))
    func diskFull() throws {
        let point = folder.path("volume1")
        try FileManager.default.createDirectory(
            atPath: point, withIntermediateDirectories: false)
        let disk = try SmallDisk(at: point, bytes: 4 << 20)
        defer { disk.unplug() }
        _ = try folder.volume()
        let volume = try Volume.open(at: point, archive: archive, reserve: -(1 << 40))
        let bytes = content(4, count: 6 << 20)
        let source = try folder.file("source", bytes)
        for checking in [true, false] {
            expectError(.noSpace) {
                try volume.stageCopy(
                    from: source.number, as: .of(bytes), bytes: 6 << 20, checking: checking)
            }
        }
        #expect(try files(below: point + "/staging") == [])
    }

    @Test("by many threads at once gives each its blob") func threads() async throws {
        let volume = try folder.volume()
        let path = folder.path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<8 as Range<UInt64> {
                group.addTask {
                    // Every other file is staged by two threads.
                    for seed in 0..<20 as Range<UInt64> {
                        let bytes = content(seed % 2 == 0 ? seed : seed + 1000 * thread)
                        let name = "source-\(thread)-\(seed)"
                        try write(bytes, to: path + "/" + name)
                        let source = try Directory.open(path: path).openFile(name)
                        let staged = StagedBlob(digest: .of(bytes), bytes: 1000)
                        try volume.stageCopy(
                            from: source.number, as: staged.digest, bytes: 1000)
                        _ = try volume.commit([staged])
                    }
                }
            }
            try await group.waitForAll()
        }
        let pending = try volume.pendingCommits()
        #expect(pending.count == 10 + 8 * 10)
        try volume.finish(pending.map(\.digest))
        for blob in pending { #expect(try volume.verifyBlob(blob.digest, bytes: 1000)) }
        #expect(try files(below: volume.path + "/staging") == [])
    }
}

@Suite("A bad blob", .onEveryFileSystem) struct BadBlobTests {
    @Test("is moved away as often as it is found, and never deleted") func setAside() throws {
        let folder = try TemporaryFolder()
        let volume = try folder.volume()
        let digest = Digest.of(content(1))
        for attempt in 0..<3 as Range<UInt64> {
            try write(content(attempt + 10), to: volume.path + "/" + volume.blobPath(digest))
            let path = try volume.setAside(digest)
            #expect(try read(volume.path + "/" + path) == content(attempt + 10))
            #expect(try volume.inodeFault(of: digest, bytes: 1000) == .missing)
        }
        #expect(try files(below: volume.path + "/rejected/bad-blobs").count == 3)
        expectError(.notFound) { try volume.setAside(digest) }
        expectError(.notFound) { try volume.openBlob(digest) }
        expectError(.notFound) { try volume.verifyBlob(digest, bytes: 1000) }
    }
}
