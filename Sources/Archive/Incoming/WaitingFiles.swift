import Glibc
import Logging
import Storage
import System
import TagIndex

/// What waits in `/incoming` for longer than a moment is kept like images: a zip archive that is to
/// be unpacked, a file under a temporary name, one that could not be stored yet. Copies of it lie
/// in `staging/waiting/<ordinal>` of other volumes, where the ordinal is that of the volume with
/// the file itself.
///
/// They are of use when that volume has left the archive without what was on it: then they go into
/// `/incoming` as it is now. As long as the volume is part of the archive nothing is done with
/// them, because its own files are what counts; when it is there, they follow those.
final class WaitingFiles: Sendable {
    private struct Seen: Hashable {
        var ordinal: Int
        var path: [UInt8]
        var stamp: Stamp
    }

    /// What tells whether a file is as it was.
    private struct Stamp: Hashable {
        var inode: UInt64
        var bytes: Int64
        var modified: Int64
    }

    private let core: ArchiveCore
    private let intake: Intake
    private let loop: BackgroundLoop
    /// Taken by each look.
    private let looking = Turn()
    /// What waited at the last look: most files are archived in a moment, and need no copy.
    private let seen = Lock<Set<Seen>>([])
    private let lacking = Lock(0)
    /// Between two looks, ns.
    private static let pause: Int64 = 10_000_000_000
    /// Marks the copy of a file that its writer had closed, and that is to be archived: the sticky
    /// bit, which means nothing for a file (inode(7)).
    private static let wholeMark = UInt32(S_ISVTX)

    init(_ core: ArchiveCore, intake: Intake) {
        (self.core, self.intake) = (core, intake)
        loop = BackgroundLoop("waiting", clock: core.clock)
    }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start(first: .after(Self.pause)) { [self] in
            look()
            return .after(Self.pause)
        }
    }

    func stop() { loop.stopAndWait() }

    /// How many files that wait should have had a copy at the last look, and could get none.
    var lackingCopies: Int { lacking.withLock { $0 } }

    /// Copies what has waited since the last look, and removes copies of what waits no more.
    func look() {
        looking.take {
            takeOverLost()
            var (now, missing) = (Set<Seen>(), 0)
            for volume in core.volumes.online where !loop.isStopping {
                let waiting = waiting(on: volume)
                let before = seen.withLock { $0 }
                let old = waiting.filter { before.contains($0) }
                now.formUnion(waiting)
                missing += copy(old, of: volume)
                removeStale(of: volume, keeping: Set(waiting.map(\.path)))
            }
            seen.withLock { $0 = now }
            lacking.withLock { $0 = missing }
        }
    }

    private func waiting(on volume: Volume) -> [Seen] {
        let ordinal = volume.identity.ordinal
        let others = core.observers.inodesNotWaiting(on: StagingArea(volume: volume))
        let found = try? Self.on(volume) {
            var result: [Seen] = []
            try FolderWalk.files(below: volume.incomingDescriptor) { entry in
                let facts = FileFacts(entry.status)
                guard !entry.name.starts(with: ".pacsfs-".utf8), !others.contains(facts.inode)
                else { return }
                result.append(
                    Seen(
                        ordinal: ordinal, path: entry.path,
                        stamp: Stamp(
                            inode: facts.inode, bytes: facts.bytes, modified: facts.modified)))
            }
            return result
        }
        return found ?? []
    }

    /// Calls `body`, which waits for the disk of a volume, and may read from another.
    ///
    /// - Throws: What `body` throws; `notAnswering`.
    private static func on<R: Sendable>(
        _ volume: Volume, reading source: Volume? = nil, _ body: @escaping @Sendable () throws -> R
    ) throws -> R {
        try volume.onDisk(reading: source?.calls) { () throws(StorageError) in
            Result<R, any Error> { try body() }
        }.get()
    }

    // MARK: Copies

    /// - Returns: For how many files there was no room, or too few volumes.
    private func copy(_ files: [Seen], of volume: Volume) -> Int {
        let wanted = core.settings.copies - 1
        guard wanted > 0, !files.isEmpty else { return 0 }
        let targets = targets(besides: volume)
        var changed: [Volume] = []
        var missing = 0
        for file in files where !loop.isStopping {
            var (copies, problem) = (0, "")
            for target in targets where copies < wanted {
                do {
                    let isNew = try Self.on(target, reading: volume) { [self] in
                        try copy(file, of: volume, to: target)
                    }
                    if isNew {
                        if !changed.contains(where: { $0 === target }) { changed.append(target) }
                    }
                    copies += 1
                } catch { problem = "\(error)" }
            }
            if copies < wanted, !targets.isEmpty {
                missing += 1
                core.log.warning(
                    "\(shown(file.path)) of incoming is on \(volume.path) alone. \(problem)")
            } else if copies < wanted {
                missing += 1
            }
        }
        for target in changed {
            try? Self.on(target) { try target.makeIncomingDurable(target.incomingDescriptor) }
        }
        return missing
    }

    /// Volumes that take a copy, those on other disks first.
    private func targets(besides volume: Volume) -> [Volume] {
        let retiring = core.volumes.retiring
        let layout = DiskLayout(core.volumes.members)
        let own = layout.groups[volume.identity.ordinal]
        let others = core.volumes.writable.filter {
            $0 !== volume && !retiring.contains($0.identity.ordinal)
        }
        return others.filter { layout.groups[$0.identity.ordinal] != own }
            + others.filter { layout.groups[$0.identity.ordinal] == own }
    }

    /// - Returns: False when the copy was there.
    private func copy(_ file: Seen, of volume: Volume, to target: Volume) throws -> Bool {
        guard let folder = try target.waitingFolder(of: file.ordinal, making: true) else {
            return false
        }
        let before = Self.open(file.path, in: folder.descriptor)
        let present = try withExtendedLifetime(before) {
            try before.map { try FileFacts(of: $0.descriptor) }
        }
        if let present, present.bytes == file.stamp.bytes,
            present.modified == file.stamp.modified
        {
            return false
        }
        guard let source = Self.open(file.path, in: volume.incomingDescriptor) else {
            return false
        }
        let facts = try FileFacts(of: source.descriptor)
        guard facts.inode == file.stamp.inode else { return false }
        try target.requireSpace(
            for: FileIO.dataBytes(
                of: source.descriptor, bytes: source.bytes, path: shown(file.path)))
        let copy = try target.makeUnnamedFile()
        try Recovery.copy(source, to: copy)
        if facts.links > 1, try isWhole(source, file.path, on: volume) {
            _ = fchmod(copy.descriptor, mode_t(facts.mode | Self.wholeMark))
        }
        // The next look sees what became of it.
        guard source.isUnchanged else { return false }
        guard fdatasync(copy.descriptor) == 0 else { throw Errno.last }
        try Recovery.makeFolders(
            of: file.path, in: folder.descriptor, like: volume.incomingDescriptor)
        if present != nil { try PathDescent.remove(file.path, below: folder.descriptor) }
        _ = try Recovery.giveName(file.path, to: copy, in: folder.descriptor)
        return true
    }

    private func isWhole(_ file: StagedFile, _ path: [UInt8], on volume: Volume) throws -> Bool {
        let name = shown(path)
        if try Digest.isTooSparse(descriptor: file.descriptor, bytes: file.bytes, path: name) {
            return false
        }
        return try volume.isStaged(
            Digest.of(descriptor: file.descriptor, bytes: file.bytes, path: name))
    }

    private func removeStale(of volume: Volume, keeping paths: Set<[UInt8]>) {
        let ordinal = volume.identity.ordinal
        for other in core.volumes.writable where other !== volume {
            try? Self.on(other) {
                guard let folder = try other.waitingFolder(of: ordinal, making: false) else {
                    return
                }
                try FolderWalk.files(below: folder.descriptor) { entry in
                    if !paths.contains(entry.path) {
                        _ = entry.name.withCString { unlinkat(entry.folder, $0, 0) }
                    }
                }
                try FolderWalk.removeEmptyFolders(below: folder.descriptor)
                other.removeWaitingFolder(of: ordinal)
            }
        }
    }

    /// Removes the copies of what waited on a volume from which everything was taken over.
    func forget(_ volume: Volume) { looking.take { removeStale(of: volume, keeping: []) } }

    // MARK: A volume that has left

    /// Takes what waited on volumes that have left the archive without it into `/incoming`.
    func takeOver() { looking.take { takeOverLost() } }

    private func takeOverLost() {
        let known = (try? core.index.read { try $0.volumes() }) ?? []
        let gone = Set(known.filter { $0.state == .retired }.map(\.ordinal))
        for volume in core.volumes.writable {
            try? Self.on(volume, reading: core.volumes.staging) { [self] in
                try takeOverLost(gone, from: volume)
            }
        }
    }

    private func takeOverLost(_ gone: Set<Int>, from volume: Volume) throws {
        let lost = try volume.waitingOrdinals().filter(gone.contains)
        for ordinal in lost {
            guard let folder = try? volume.waitingFolder(of: ordinal, making: false) else {
                continue
            }
            var paths: [[UInt8]] = []
            try? FolderWalk.files(below: folder.descriptor) { paths.append($0.path) }
            // What is left is taken over by the next start.
            for path in paths where !loop.isStopping {
                do { try takeOver(path, from: folder) } catch {
                    core.log.error(
                        """
                        \(shown(path)), which waited in incoming of a volume that is lost, \
                        stays in staging/waiting of \(volume.path): \(error)
                        """
                    )
                }
            }
            try? FolderWalk.removeEmptyFolders(below: folder.descriptor)
            volume.removeWaitingFolder(of: ordinal)
        }
    }

    private func takeOver(_ path: [UInt8], from folder: WaitingFolder) throws {
        guard let source = Self.open(path, in: folder.descriptor) else { return }
        let mode = try FileFacts(of: source.descriptor).mode
        let isSparse = try Digest.isTooSparse(
            descriptor: source.descriptor, bytes: source.bytes, path: shown(path))
        let digest =
            isSparse
            ? nil
            : try Digest.of(
                descriptor: source.descriptor, bytes: source.bytes, path: shown(path))
        let isArchived =
            try digest.map { digest in
                try core.index.read { try $0.instance(sha256: digest.bytes) != nil }
            } ?? false
        if !isArchived { try give(source, path, in: folder, digest, mode: mode) }
        try PathDescent.remove(path, below: folder.descriptor)
    }

    private func give(
        _ source: StagedFile, _ path: [UInt8], in folder: WaitingFolder, _ digest: Digest?,
        mode: UInt32
    ) throws {
        let target = core.volumes.staging
        try target.requireSpace(
            for: FileIO.dataBytes(
                of: source.descriptor, bytes: source.bytes, path: shown(path)))
        let copy = try target.makeUnnamedFile()
        try Recovery.copy(source, to: copy)
        _ = fchmod(copy.descriptor, mode_t(mode & ~Self.wholeMark | 0o600))
        try Recovery.makeFolders(
            of: path, in: target.incomingDescriptor, like: folder.descriptor)
        var (name, number) = (path, 0)
        while try !Recovery.giveName(name, to: copy, in: target.incomingDescriptor) {
            // Another look may have been interrupted before it was removed here.
            if try Recovery.isThere(name, source, in: target.incomingDescriptor) { return }
            number += 1
            name = path + Array(" (\(number))".utf8)
        }
        if mode & Self.wholeMark != 0, let digest {
            try target.stageLink(from: copy.descriptor, as: digest, bytes: source.bytes)
        }
        core.observers.tookOver(incoming: name)
        try target.makeIncomingDurable(copy.descriptor)
        core.log.notice(
            "Took over \(shown(name)) of incoming, which waited on a volume that is lost.")
    }

    private static func open(_ path: [UInt8], in directory: Int32) -> StagedFile? {
        try? StagedFile(at: directory, path)
    }

    private func shown(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}
