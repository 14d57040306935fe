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
//                BackedTree+LongMoves
//   4. tidy      copies of what is archived now go from `rejected` of the other volumes; the
//                reason of a file goes when it settles, see Settling
//
// What is refused again is set aside again when it settles.

/// What RENAME moves from `/rejected` into `/incoming`.
struct Retry: Sendable {
    let rejected: BackedTree
    let incoming: BackedTree
    let name: [UInt8]
    let parent: UInt64
    let target: BackedTree.Target
    let caller: (uid: uid_t, gid: gid_t)

    /// A file and what the archive said of it.
    private struct Tried {
        /// Below what is moved; empty when that is the file itself.
        var path: [UInt8]
        /// `nil` when it was not offered: it has a temporary name now, or its turn comes later.
        var outcome: IngestOutcome?
        var status: stat

        /// Whether it is archived, or set aside, behind the answer.
        var isPromised: Bool {
            switch outcome {
            case nil, .refused: true
            default: false
            }
        }
    }

    private static let slash = UInt8(ascii: "/")

    /// - returns: what is left to do behind the answer
    /// - throws: what RENAME shall tell
    func run() throws(Errno) -> @Sendable () -> Void {
        let (source, backingInode) = try rejected.locked { () throws(Errno) in
            let node = try rejected.child(name, of: rejected.directoryNode(parent))
            return (node.path, node.backingInode)
        }
        if isReason(source, in: rejected) { throw Errno(EPERM) }
        let isServedReason = isServedReason(source)
        let newPath = try incoming.locked { () throws(Errno) in
            let newParent = try incoming.directoryNode(target.parent)
            guard !BackedTree.isHidden(target.name) else { throw Errno(EPERM) }
            if target.mustBeNew, (try? incoming.child(target.name, of: newParent)) != nil {
                throw Errno(EEXIST)
            }
            return incoming.path(target.name, in: newParent)
        }
        var tried: [Tried] = []
        try files(at: source, below: []) { (path) throws(Errno) in
            tried.append(
                try tryAgain(
                    source: join(source, path), path, as: join(newPath, path),
                    isServedReason: isServedReason))
        }
        let moved = try rejected.locked { () throws(Errno) in
            try incoming.locked { () throws(Errno) in
                try move(backingInode, tried)
            }
        }
        return { [moved, tried] in
            incoming.archive(moved)
            for file in tried {
                incoming.archive.forgetRejected(join(source, file.path), on: rejected.staging)
            }
        }
    }

    private static func subject(of reason: [UInt8]) -> [UInt8] {
        Array(reason.dropLast(RejectedFolder.reason(of: []).count))
    }

    /// Whether a path is that of a reason: the file that it is about lies beside it. Another may
    /// be somebody's only copy.
    private func isReason(_ path: [UInt8], in tree: BackedTree) -> Bool {
        guard RejectedFolder.isReason(path) else { return false }
        var status = stat()
        let isThere = Self.subject(of: path).withCString {
            fstatat(tree.directory, $0, &status, AT_SYMLINK_NOFOLLOW) == 0
        }
        return isThere && status.st_mode & S_IFMT == S_IFREG
    }

    /// `mv rejected/…/* incoming` moves the reason of a file after the file: it has served, and
    /// goes when it settles.
    private func isServedReason(_ path: [UInt8]) -> Bool {
        guard RejectedFolder.isReason(path) else { return false }
        let subject = Self.subject(of: path)
        return incoming.locked { incoming.servedReasons.contains { $0.path == subject } }
    }

    private func join(_ path: [UInt8], _ rest: [UInt8]) -> [UInt8] {
        rest.isEmpty ? path : path + [Self.slash] + rest
    }

    /// Calls `body` with each file that is moved, but not with the reasons.
    private func files(
        at source: [UInt8], below path: [UInt8], _ body: ([UInt8]) throws(Errno) -> Void
    ) throws(Errno) {
        let full = join(source, path)
        var status = stat()
        guard
            full.withCString({ fstatat(rejected.directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0
        else { throw .last }
        let isWanted = path.isEmpty || !isReason(full, in: rejected)
        if status.st_mode & S_IFMT == S_IFREG, isWanted { return try body(path) }
        guard status.st_mode & S_IFMT == S_IFDIR else { return }
        for name in try rejected.names(at: full) {
            try files(at: source, below: path.isEmpty ? name : join(path, name), body)
        }
    }

    private func tryAgain(
        source: [UInt8], _ path: [UInt8], as newPath: [UInt8], isServedReason: Bool
    ) throws(Errno) -> Tried {
        let descriptor = try SharedDescriptor(at: rejected.directory, source, flags: O_RDONLY)
        let status = try descriptor.status()
        let newName = newPath.split(separator: Self.slash).last.map(Array.init) ?? []
        let takesLong = !path.isEmpty || BackedTree.isLargeZip(descriptor, status)
        guard !takesLong, !TemporaryName.matches(path: newPath),
            !incoming.archive.settings.ignores(newName), status.st_size > 0
        else {
            return Tried(path: path, outcome: nil, status: status)
        }
        if isServedReason { return Tried(path: path, outcome: .ignored, status: status) }
        let result = incoming.archive.ingestAndWait(
            IngestRequest(
                file: IngestFile(descriptor.number, owner: descriptor),
                source: "incoming/" + String(decoding: newPath, as: UTF8.self),
                bytes: Int64(status.st_size),
                digest: nil, staging: incoming.staging))
        switch result {
        case .success(let outcome): return Tried(path: path, outcome: outcome, status: status)
        case .failure(let error): throw Errno(error.code.errno)
        }
    }

    /// Inside the locks of both trees.
    ///
    /// - returns: the numbers of the files
    private func move(_ backingInode: UInt64, _ tried: [Tried]) throws(Errno) -> [UInt64] {
        let node = try rejected.child(name, of: rejected.directoryNode(parent))
        // It was put there by another while the archive looked at its predecessor.
        guard node.backingInode == backingInode else { throw Errno(EAGAIN) }
        let newParent = try incoming.directoryNode(target.parent)
        let (source, path) = (node.path, incoming.path(target.name, in: newParent))
        for file in tried where file.isPromised {
            VouchedFile.mark(join(source, file.path), in: rejected.directory)
        }
        let existing =
            target.mustBeNew || node.isDirectory
            ? nil : try? incoming.child(target.name, of: newParent)
        let isKept = if let existing { try incoming.makeWay(existing) } else { false }
        let result = source.withCString { source in
            path.withCString {
                renameat2(
                    rejected.directory, source, incoming.directory, $0,
                    target.mustBeNew ? UInt32(PACSFS_RENAME_NOREPLACE) : 0)
            }
        }
        if result != 0 {
            let error = Errno.last
            if isKept, let existing { incoming.moveBack(existing, to: target.name, in: newParent) }
            throw error
        }
        rejected.removeAll(node)
        if let replaced = newParent.children[target.name] { incoming.removeAll(replaced) }
        incoming.servedReasons.append((source, monotonicNow()))
        if let moved = try? incoming.child(target.name, of: newParent) {
            incoming.touch(moved)
            if moved.isDirectory { clearReasons(in: moved, at: path) }
        }
        return tried.compactMap { take($0, at: join(path, $0.path)) }
    }

    /// Notes of a file that is in `/incoming` now what became of it.
    ///
    /// - returns: its number
    private func take(_ tried: Tried, at path: [UInt8]) -> UInt64? {
        var node = incoming.root
        for name in path.split(separator: Self.slash) {
            guard let child = try? incoming.child(Array(name), of: node) else { return nil }
            node = child
        }
        guard let file = node.file, let parent = node.parent else { return nil }
        let group = incoming.group(for: caller, in: parent)
        file.state.withLock { state in
            state.digest = nil
            switch tried.outcome {
            case .archived(let id, _), .sameDataSet(let id, _), .duplicate(let id):
                state.status = .archived(id)
            case .unpacked, .ignored: state.status = .served
            case .refused(let reason): state.status = .refused(reason)
            case nil: state.isChanged = true
            }
            state.isVouchedFor = true
            state.isPromised = tried.isPromised
            // It may be a blob now, which keeps its own.
            state.isFrozen = true
            state.overrides = .init(
                mode: 0o644, uid: caller.uid, gid: group, accessed: tried.status.st_atim,
                modified: tried.status.st_mtim)
        }
        incoming.unsettled[node.number] = node
        return node.number
    }

    /// Makes a folder that was moved the caller's, and removes the reasons in it; its other
    /// folders go when they are empty.
    private func clearReasons(in node: BackedNode, at path: [UInt8]) {
        if let parent = node.parent { try? incoming.give(node, to: caller, in: parent) }
        for name in (try? incoming.names(in: node)) ?? [] {
            if isReason(join(path, name), in: incoming) {
                _ = join(path, name).withCString { unlinkat(incoming.directory, $0, 0) }
            } else if let child = try? incoming.child(name, of: node), child.isDirectory {
                clearReasons(in: child, at: join(path, name))
            }
        }
        node.hadFiles = true
        incoming.vanishing[node.number] = node
    }
}

extension BackedTree {
    /// RENAME from `/rejected`; this tree is `/incoming`. It waits for disks on a thread of its
    /// own. It answers when a file that was moved is safe; a folder, or a large zip archive, is
    /// archived behind the answer.
    func takeBack(
        _ name: [UInt8], in parent: UInt64, of rejected: BackedTree, to target: Target,
        caller: (uid: uid_t, gid: gid_t), replyingTo reply: DeferredReply
    ) {
        let retry = Retry(
            rejected: rejected, incoming: self, name: name, parent: parent, target: target,
            caller: caller)
        moves.start("move") {
            do throws(Errno) {
                let rest = try retry.run()
                reply.answer(.success(()))
                rest()
            } catch {
                reply.answer(.failure(error))
            }
        }
    }

    /// Forgets a folder with all that is in it, or a file. Inside the lock.
    func removeAll(_ node: BackedNode) {
        for child in Array(node.children.values) { removeAll(child) }
        remove(node)
    }
}
