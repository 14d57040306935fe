import Foundation
import TestSupport
import Testing

@testable import Storage

/// A volume whose disk fails, on every file system that is available here.
@Suite(
    "A volume on a disk of its own",
    .enabled(if: !FileSystemKind.disks.isEmpty, "no disk can be mounted here"))
struct ConformanceTests {
    let folder: TemporaryFolder
    private let bytes = content(7, count: 300_000)
    private var staged: StagedBlob { StagedBlob(digest: .of(bytes), bytes: 300_000) }

    init() throws { folder = try TemporaryFolder() }

    @Test("is tested on every file system", arguments: FileSystemKind.allCases)
    func kinds(kind: FileSystemKind) throws {
        if let obstacle = kind.obstacle { try Test.cancel("\(kind.rawValue): \(obstacle)") }
        guard kind != .plain else { return }
        try TemporaryFolder.$parent.withValue(OnEveryFileSystem.directory(on: kind)) {
            let other = try TemporaryFolder()
            let type = try ProgramRun(["stat", "-f", "-c", "%T", other.path])
            // ext4 has the number that ext2 had.
            #expect(type.lines == [kind == .ext4 ? "ext2/ext3" : kind.rawValue], "\(type.report)")
            withExtendedLifetime(other) {}
        }
    }

    private func disk(_ kind: FileSystemKind) throws -> LoopDisk {
        let point = folder.path("volume1")
        try FileManager.default.createDirectory(atPath: point, withIntermediateDirectories: false)
        return try LoopDisk(kind, at: point)
    }

    /// The steps of a volume with a file, one after another; each may be tried again.
    private enum Step: CaseIterable {
        case stage, commit, append, finish, reject, setAside, replace, appendMore
    }

    private func take(_ step: Step, _ volume: Volume, _ ledger: Ledger) throws {
        let source = try folder.file("source", bytes)
        switch step {
        case .stage:
            try volume.stageCopy(from: source.number, as: staged.digest, bytes: staged.bytes)
        case .commit: #expect(try volume.commit([staged]) == [.stored])
        case .append: _ = try ledger.append([entry(1)])
        case .finish: try volume.finish([staged.digest])
        case .reject:
            _ = try volume.rejected.reject(
                copyOf: source.number, path: "a/b.txt", reason: "no image")
        case .setAside: _ = try volume.setAside(staged.digest)
        case .replace:
            try volume.stageCopy(from: source.number, as: staged.digest, bytes: staged.bytes)
            _ = try volume.commit([staged], replacing: [staged.digest])
            try volume.finish([staged.digest])
        case .appendMore: _ = try ledger.append((2..<2000).map { entry($0) })
        }
    }

    @Test(
        "that is full at any step says so, leaves nothing half, and goes on when there is room",
        arguments: FileSystemKind.disks)
    func full(kind: FileSystemKind) throws {
        for fullAt in Step.allCases {
            try ConformanceTests().full(at: fullAt, kind)
        }
    }

    private func full(at fullStep: Step, _ kind: FileSystemKind) throws {
        let disk = try disk(kind)
        defer { disk.unplug() }
        _ = try folder.volume()
        // Without a reserve, so that the disk itself has to refuse.
        let volume = try Volume.open(at: disk.path, archive: archive, reserve: -(1 << 40))
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        _ = try ledger.append([entry(0)])
        for step in Step.allCases {
            guard step == fullStep else {
                try take(step, volume, ledger)
                continue
            }
            try disk.fill()
            do {
                try take(step, volume, ledger)
                #expect(
                    ![.stage, .replace, .appendMore].contains(step),
                    "\(kind), \(step): it was not full")
            } catch let error as StorageError {
                #expect(error.code == .noSpace, "\(kind), \(step): \(error)")
                #expect(error.path?.hasPrefix(disk.path) == true, "\(error)")
                #expect(ledger.volumes == [1], "\(kind), \(step): the disk is well otherwise")
                try disk.empty()
                try take(step, volume, ledger)
            }
            try disk.empty()
        }
        #expect(try volume.verifyBlob(staged.digest, bytes: staged.bytes))
        #expect(try files(below: volume.path + "/staging") == [])
        #expect(try records(volume).count == 2000)
        #expect(try files(below: volume.path + "/rejected").count { $0.hasSuffix("b.txt") } == 1)
    }

    @Test(
        "that is read-only can be read, and clearly refuses new files",
        arguments: FileSystemKind.disks)
    func readOnly(kind: FileSystemKind) throws {
        let disk = try disk(kind)
        defer { disk.unplug() }
        do {
            let volume = try folder.volume()
            let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
            _ = try ledger.append([entry(0)])
            for step in [Step.stage, .commit, .append] { try take(step, volume, ledger) }
        }
        let before = try files(below: disk.path)
        try disk.makeReadOnly()
        let volume = try folder.reopen()
        #expect(try volume.space().isReadOnly)
        #expect(try volume.verifyBlob(staged.digest, bytes: staged.bytes))
        #expect(try records(volume).count == 2)
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        for step in Step.allCases where step != .commit && step != .appendMore {
            let error = expectError(.readOnly) { try take(step, volume, ledger) }
            #expect(error?.path?.hasPrefix(disk.path) == true)
        }
        #expect(try files(below: disk.path) == before)
    }

    @Test(
        "that was unplugged gives errors and writes nothing below its mount point",
        arguments: FileSystemKind.disks)
    func unplugged(kind: FileSystemKind) throws {
        let disk = try disk(kind)
        let volume = try folder.volume()
        let (ledger, _) = try Ledger.open(on: [volume], archive: archive)
        disk.unplug()
        // Programs that have it open may continue; nothing goes into the empty folder.
        for step in Step.allCases { try take(step, volume, ledger) }
        #expect(try files(below: disk.path) == [])
        expectError(.notAVolume) { try folder.reopen() }
    }

    @Test(
        "lets a staged file share blocks with a blob that ends with the same bytes, where it can",
        arguments: FileSystemKind.disks)
    func shared(kind: FileSystemKind) throws {
        let disk = try disk(kind)
        defer { disk.unplug() }
        let volume = try folder.volume()
        // Another header of the same length, a longer one, and another end.
        let header = content(8, count: 500)
        let versions = [
            header + bytes.dropFirst(500), content(9, count: 100) + bytes,
            header + content(10, count: 299_500),
        ]
        let source = try folder.file("source", bytes)
        try volume.stageCopy(from: source.number, as: staged.digest, bytes: staged.bytes)
        #expect(try volume.commit([staged]) == [.stored])
        for (number, version) in versions.enumerated() {
            let file = try folder.file("version\(number)", version)
            let blob = StagedBlob(digest: .of(version), bytes: Int64(version.count))
            try volume.stageCopy(from: file.number, as: blob.digest, bytes: blob.bytes)
            let offset: Int64 = number == 1 ? 600 : 500
            let shared = volume.shareBlocks(
                ofStaged: blob.digest, from: offset, with: staged.digest, from: 500)
            let canShare = kind != .ext4 && number == 0
            #expect(canShare ? (290_000...296_000).contains(shared) : shared == 0, "\(shared)")
            #expect(try volume.commit([blob]) == [.stored])
            #expect(try volume.verifyBlob(blob.digest, bytes: blob.bytes))
        }
        #expect(try volume.verifyBlob(staged.digest, bytes: staged.bytes))
    }

    @Test("takes part in placement by its own room", arguments: FileSystemKind.disks)
    func placement(kind: FileSystemKind) throws {
        let disk = try disk(kind)
        defer { disk.unplug() }
        let volumes = [try folder.volume(1, domain: "a"), try folder.volume(2, domain: "b")]
        func candidates() throws -> [Placement.Candidate] {
            try volumes.map {
                try Placement.Candidate(
                    ordinal: $0.identity.ordinal, domain: $0.identity.domain,
                    freeSpace: $0.freeSpace())
            }
        }
        #expect(
            try Placement.choose(copies: 2, bytes: 1 << 20, among: candidates()).sorted()
                == [1, 2])
        try disk.fill()
        expectError(.noSpace) {
            try Placement.choose(copies: 2, bytes: 1 << 20, among: try candidates())
        }
        #expect(try Placement.choose(copies: 1, bytes: 1 << 20, among: candidates()) == [2])
        try disk.empty()
        #expect(
            try Placement.choose(copies: 2, bytes: 1 << 20, among: candidates()).sorted()
                == [1, 2])
    }
}
