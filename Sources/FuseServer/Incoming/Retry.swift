import Archive
import CLinux
import Glibc
import Storage
import System

// Moving a file, or a folder of files, from `/rejected` back into `/incoming` tries it again:
//
//   1. archive   a file is given to the archive where it lies. If it cannot be stored now,
//                rename() says why and it stays where it was.
//   2. rename    of the file or folder, in one step: after a crash it is in one of the two places
//   3. answer    and then archive the files of a folder, or a large zip archive; see
//                DeferredRenames
//   4. tidy      copies of what is archived now go from `rejected` of the other volumes; the
//                reason of a file goes when it settles, see Settling
//
// What is refused again is set aside again when it settles.

/// What RENAME moves from `/rejected` into `/incoming`.
struct Retry: Sendable {
    let rejected: RejectedTree
    let incoming: IncomingTree
    let name: [UInt8]
    let parent: UInt64
    let target: IncomingTree.Target
    let caller: FileOwner

    /// A file and what the archive said of it.
    fileprivate struct Tried {
        /// Below what is moved; empty when that is the file itself.
        var path: [UInt8]
        /// `nil` when it was not asked: the file has a temporary name now, or its turn comes later.
        var outcome: IngestOutcome?
        var status: stat

        /// Whether it is archived, or set aside, after the answer.
        var isDeferred: Bool {
            switch outcome {
            case nil, .refused: true
            default: false
            }
        }
    }

    private static let slash = UInt8(ascii: "/")

    /// - Returns: What is left to do after the answer.
    /// - Throws: What RENAME is to report.
    func run() throws(Errno) -> @Sendable () -> Void {
        let (number, source, status) = try rejected.find(name, in: parent)
        if isReason(source) { throw Errno(EPERM) }
        let isObsoleteReason = isObsoleteReason(source)
        try incoming.requireOpenForNames([target.place])
        if target.mustBeNew, (try? incoming.find(target.place) { _, _, _ in }) != nil {
            throw Errno(EEXIST)
        }
        if status.st_mode & S_IFMT == S_IFDIR { try requireDepth(of: source) }
        let newPath = incoming.locked { $0.tree.path(of: target.place) }
        var tried: [Tried] = []
        for path in try files(at: source, status) {
            tried.append(
                try tryAgain(
                    source: join(source, path), path, as: join(newPath, path),
                    isObsoleteReason: isObsoleteReason))
        }
        let moved = try move(number, from: source, status, tried)
        return { [moved, tried] in
            incoming.archiveDeferred(moved)
            for file in tried {
                incoming.archive.forgetRejected(join(source, file.path), on: rejected.staging)
            }
        }
    }

    /// - Throws: `ENAMETOOLONG` when the folders of a folder would lie too deep in `/incoming`.
    private func requireDepth(of source: [UInt8]) throws(Errno) {
        let folder = try SharedDescriptor(
            at: rejected.directory, source, flags: O_RDONLY | O_DIRECTORY)
        let levels = try Errno.from { try FolderWalk.levels(of: folder.number) }
        try incoming.locked { (contents) throws(Errno) in
            try contents.tree.requireDepth(of: levels, in: target.parent)
        }
    }

    private static func subject(of reason: [UInt8]) -> [UInt8] {
        Array(reason.dropLast(RejectedFolder.reason(of: []).count))
    }

    /// Whether a path below `/rejected` is that of a reason: the file that it is about lies beside
    /// it. Another file of such a name may be somebody's only copy.
    private func isReason(_ path: [UInt8]) -> Bool {
        guard RejectedFolder.isReason(path) else { return false }
        let subject = try? FileFacts.of(Self.subject(of: path), in: rejected.directory)
        return subject?.isRegular == true
    }

    /// `mv rejected/…/* incoming` moves the reason of a file after the file. It is obsolete then,
    /// and goes when it settles.
    private func isObsoleteReason(_ path: [UInt8]) -> Bool {
        guard RejectedFolder.isReason(path) else { return false }
        let subject = Self.subject(of: path)
        return incoming.locked { $0.obsoleteReasons.contains { $0.path == subject } }
    }

    private func join(_ path: [UInt8], _ rest: [UInt8]) -> [UInt8] {
        rest.isEmpty ? path : path + [Self.slash] + rest
    }

    /// The files that are moved, without the reasons: their paths below what is moved.
    private func files(at source: [UInt8], _ status: stat) throws(Errno) -> [[UInt8]] {
        if status.st_mode & S_IFMT == S_IFREG { return [[]] }
        let folder = try SharedDescriptor(
            at: rejected.directory, source, flags: O_RDONLY | O_DIRECTORY)
        return try Errno.from {
            var paths: [[UInt8]] = []
            try FolderWalk.files(below: folder.number) { entry in
                if !isReason(join(source, entry.path)) { paths.append(entry.path) }
            }
            return paths
        }
    }

    private func tryAgain(
        source: [UInt8], _ path: [UInt8], as newPath: [UInt8], isObsoleteReason: Bool
    ) throws(Errno) -> Tried {
        let descriptor = try SharedDescriptor(at: rejected.directory, source, flags: O_RDONLY)
        let status = try descriptor.status()
        var facts = IncomingFacts(
            path: newPath, settings: incoming.archive.settings, bytes: Int64(status.st_size),
            ending: .closed)
        facts.isImage = facts.isIgnored && Archive.isImage(descriptor.number)
        let takesLong =
            !path.isEmpty || IncomingTree.isLargeZip(descriptor, bytes: status.st_size)
        guard !takesLong, IncomingDecision(facts) == .archive else {
            return Tried(path: path, outcome: nil, status: status)
        }
        if isObsoleteReason { return Tried(path: path, outcome: .ignored, status: status) }
        let result = incoming.archive.ingestAndWait(
            IngestRequest(
                file: IngestFile(descriptor.number, owner: descriptor, on: incoming.staging),
                source: .incoming(newPath),
                bytes: Int64(status.st_size), digest: nil, staging: incoming.staging))
        switch result {
        case .success(let outcome): return Tried(path: path, outcome: outcome, status: status)
        case .failure(let error): throw Errno(error.code.errno)
        }
    }

    /// - Returns: The numbers of the files.
    private func move(
        _ number: UInt64, from source: [UInt8], _ status: stat, _ tried: [Tried]
    ) throws(Errno) -> [UInt64] {
        try incoming.reserving([target.place]) { (folders) throws(Errno) in
            // Another one was put there while the archive looked at its predecessor.
            guard try FileFacts.of(source, in: rejected.directory)?.inode == UInt64(status.st_ino)
            else { throw Errno(EAGAIN) }
            for file in tried where file.isDeferred {
                ForcedFile.mark(join(source, file.path), in: rejected.directory)
            }
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            let replaced = try incoming.replaced(by: target, in: folders[0], isDirectory)
            let kept =
                isDirectory
                ? nil
                : try replaced.flatMap { number throws(Errno) in
                    try incoming.renameAside(number, in: folders[0])
                }
            do throws(Errno) {
                try PathDescent.with(source, below: rejected.directory) {
                    (directory, source) throws(Errno) in
                    let result = source.withCString { source in
                        target.name.withCString {
                            renameat2(
                                directory, source, folders[0].descriptor, $0,
                                target.mustBeNew ? UInt32(PACSFS_RENAME_NOREPLACE) : 0)
                        }
                    }
                    guard result == 0 else { throw .last }
                }
            } catch {
                if let kept { incoming.moveBack(kept, to: target.place, in: folders[0]) }
                throw error
            }
            rejected.removed(number)
            incoming.locked { contents in
                if let replaced, kept == nil { contents.remove(replaced) }
                contents.obsoleteReasons.append((source, incoming.clock.now))
            }
            return try incoming.addMoved(
                target.place, in: folders[0],
                Dictionary(
                    tried.map { ($0.path, $0.newcomer) }, uniquingKeysWith: { first, _ in first }),
                caller)
        }
    }
}

extension Retry.Tried {
    fileprivate var newcomer: IncomingTree.Newcomer {
        let state: IncomingFile.State =
            switch outcome {
            case .archived(let id, _), .sameDataSet(let id, _), .duplicate(let id): .archived(id)
            case .unpacked, .ignored: .consumed
            case .refused(let reason): .refused(reason)
            case nil: .whole
            }
        return .init(state: state, isDeferred: isDeferred, status: status)
    }
}

extension IncomingTree {
    /// A file that comes from `/rejected`.
    struct Newcomer {
        var state: IncomingFile.State
        /// Whether it is archived, or set aside, after RENAME has answered.
        var isDeferred: Bool
        /// What it was in `/rejected`.
        var status: stat
    }

    /// RENAME from `/rejected`. It waits for disks on a thread of its own. It answers when a file
    /// that was moved is safe; a folder, or a large zip archive, is archived afterwards.
    func retry(
        _ name: [UInt8], in parent: UInt64, of rejected: RejectedTree, to target: Target,
        caller: FileOwner, replyingTo reply: DeferredReply
    ) {
        let retry = Retry(
            rejected: rejected, incoming: self, name: name, parent: parent, target: target,
            caller: caller)
        renames.start(on: staging.disk, replyingTo: reply) {
            do throws(Errno) {
                let rest = try retry.run()
                reply.answer(.success(()))
                rest()
            } catch {
                reply.answer(.failure(error))
            }
        }
    }

    /// The node that a move replaces, at a place that the thread has reserved.
    fileprivate func replaced(
        by target: Target, in folder: OpenFolder, _ isDirectory: Bool
    ) throws(Errno) -> UInt64? {
        guard !target.mustBeNew, let (place, status) = try? look(at: target.place, in: folder),
            place == target.place
        else { return nil }
        return meet(place, status, in: folder)
    }

    /// Takes in what was moved to a place that the thread has reserved, with all that is below it:
    /// it becomes the caller's, and the reasons in it are removed.
    ///
    /// - Parameter newcomers: Files by their paths below the place.
    /// - Returns: The numbers of the files.
    fileprivate func addMoved(
        _ place: Place, in folder: OpenFolder, _ newcomers: [[UInt8]: Newcomer], _ caller: FileOwner
    ) throws(Errno) -> [UInt64] {
        let status = try folder.status(of: place.name)
        guard status.st_mode & S_IFMT == S_IFDIR else {
            return try newcomers[[]].map { newcomer throws(Errno) in
                [try addMoved(newcomer, at: place, in: folder, status, caller)]
            } ?? []
        }
        var numbers: [UInt64] = []
        var folders = [(place: place, folder: folder, path: [UInt8]())]
        while let (place, above, path) = folders.popLast() {
            let number = try addMovedFolder(place, in: above, caller)
            let opened = try self.folder(number)
            let entries = try DirectorySnapshot.entries(
                of: opened.descriptor, isHidden: HiddenName.matches)
            let names = Set(entries.map(\.name))
            for name in names {
                let child = Place(name: name, directory: number)
                let childPath = path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
                if newcomers[childPath] == nil, RejectedFolder.isReason(name),
                    names.contains(name.dropLast(RejectedFolder.reason(of: []).count))
                {
                    _ = name.withCString { unlinkat(opened.descriptor, $0, 0) }
                    continue
                }
                let status = try opened.status(of: name)
                if status.st_mode & S_IFMT == S_IFDIR {
                    folders.append((child, opened, childPath))
                } else if let newcomer = newcomers[childPath] {
                    numbers.append(try addMoved(newcomer, at: child, in: opened, status, caller))
                }
            }
        }
        return numbers
    }

    private func addMoved(
        _ newcomer: Newcomer, at place: Place, in folder: OpenFolder, _ status: stat,
        _ caller: FileOwner
    ) throws(Errno) -> UInt64 {
        var file = IncomingFile(shown: status, state: newcomer.state)
        // It may be a blob now, which keeps its own. What everybody could read becomes the
        // caller's; anything else stays whose it was, or moving it would be a way to read it.
        let old = newcomer.status
        if old.st_mode & 0o444 == 0o444 {
            let owner = try owner(for: caller, in: folder)
            file.shown.st_mode = S_IFREG | 0o644
            (file.shown.st_uid, file.shown.st_gid) = (owner.uid, owner.gid)
        } else {
            file.shown.st_mode = S_IFREG | old.st_mode & 0o666 | 0o600
            (file.shown.st_uid, file.shown.st_gid) = (old.st_uid, old.st_gid)
        }
        (file.shown.st_atim, file.shown.st_mtim) = (
            newcomer.status.st_atim, newcomer.status.st_mtim
        )
        if newcomer.isDeferred { file.deferral = .init(isForced: true) }
        return locked { contents in
            let number = contents.meet(place, status, now: clock.now)
            contents.add(file, as: number)
            contents.touch(number, now: clock.now)
            return number
        }
    }

    private func addMovedFolder(
        _ place: Place, in folder: OpenFolder, _ caller: FileOwner
    ) throws(Errno) -> UInt64 {
        let shownOwner = try give(place.name, in: folder, to: owner(for: caller, in: folder))
        let status = try folder.status(of: place.name)
        return locked { contents in
            let number = contents.meet(place, status, now: clock.now)
            contents.tree.update(number) {
                $0.shownOwner = shownOwner
                $0.clearing = .whenQuiet
                $0.lastUse = clock.now
            }
            return number
        }
    }
}
