import Archive
import CFuse3
import Glibc
import System

extension BackedTree {
    /// SETATTR: size, mode, owner and times.
    func setAttributes(
        _ number: UInt64, to wanted: stat, which: Int32, handle: BackedHandle?
    ) throws(Errno) -> stat {
        try locked { () throws(Errno) in
            let node = try node(number)
            touch(node)
            var which = which
            if !Capabilities.canGiveFilesAway { which = try showOwner(wanted, which, of: node) }
            if which & FUSE_SET_ATTR_SIZE != 0 { try truncate(node, to: wanted.st_size) }
            if let file = node.file, file.state.withLock({ $0.isFrozen }) {
                let overrides = Self.overrides(wanted, which)
                file.state.withLock { state in
                    state.overrides = (state.overrides ?? .init()).updated(with: overrides)
                }
            } else {
                try apply(wanted, which, to: node)
            }
            return try attributes(of: node)
        }
    }

    /// Notes an owner that the disk cannot be given.
    ///
    /// - returns: what else is to be set
    private func showOwner(_ wanted: stat, _ which: Int32, of node: BackedNode) throws(Errno)
        -> Int32
    {
        let ids = FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID
        guard which & ids != 0 else { return which }
        let shown = try attributes(of: node)
        node.owner = (
            uid: which & FUSE_SET_ATTR_UID != 0 ? wanted.st_uid : shown.st_uid,
            gid: which & FUSE_SET_ATTR_GID != 0 ? wanted.st_gid : shown.st_gid
        )
        return which & ~ids
    }

    private func truncate(_ node: BackedNode, to size: Int) throws(Errno) {
        if size > 0 { try checkRoom(to: size) }
        guard let file = node.file else { throw Errno(EISDIR) }
        if file.state.withLock({ $0.isFrozen }) { try thaw(node, file, keepingBytes: size > 0) }
        let descriptor = try openDescriptor(of: node, file, flags: O_RDWR)
        let before = try descriptor.status().st_size
        guard ftruncate(descriptor.number, size) == 0 else { throw .last }
        file.state.withLock { state in
            if size == 0 {
                state.restart()
            } else {
                if size != state.hashed { state.digest = nil }
                state.resized(from: before, to: size)
                state.isChanged = true
                state.status = .new
            }
        }
        unsettled[node.number] = node
    }

    private func apply(_ wanted: stat, _ which: Int32, to node: BackedNode) throws(Errno) {
        // An unlinked file is reached by its descriptor, any other by its path.
        let path = node.path
        if let final = node.final {
            var changed = Self.overrides(wanted, which).applied(to: final)
            changed.st_mode |= 0o700
            node.final = changed
            return
        }
        let descriptor = node.file?.state.withLock { $0.descriptor }
        guard descriptor != nil || !node.isRemoved else { throw Errno(ESTALE) }
        if which & FUSE_SET_ATTR_MODE != 0 {
            let mode =
                Self.mode(wanted, isDirectory: node.isDirectory)
                | (node.isDirectory ? 0o700 : 0o600)
            let result =
                if let descriptor { fchmod(descriptor.number, mode) } else {
                    path.withCString { fchmodat(directory, $0, mode, 0) }
                }
            guard result == 0 else { throw .last }
        }
        if which & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) != 0 {
            let uid = which & FUSE_SET_ATTR_UID != 0 ? wanted.st_uid : uid_t.max
            let gid = which & FUSE_SET_ATTR_GID != 0 ? wanted.st_gid : gid_t.max
            let result =
                if let descriptor { fchown(descriptor.number, uid, gid) } else {
                    path.withCString { fchownat(directory, $0, uid, gid, AT_SYMLINK_NOFOLLOW) }
                }
            guard result == 0 else { throw .last }
        }
        if which & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME) != 0 {
            let times = [
                Self.time(wanted.st_atim, which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW)
                    ?? timespec(tv_sec: 0, tv_nsec: Self.utimeOmit),
                Self.time(wanted.st_mtim, which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW)
                    ?? timespec(tv_sec: 0, tv_nsec: Self.utimeOmit),
            ]
            let result =
                if let descriptor { futimens(descriptor.number, times) } else {
                    path.withCString { utimensat(directory, $0, times, AT_SYMLINK_NOFOLLOW) }
                }
            guard result == 0 else { throw .last }
        }
    }

    /// Files are never set-user-id or set-group-id: the mount is nosuid, and the kernel leaves it
    /// to us to take such bits away when somebody else writes (``InitNegotiation``).
    private static func mode(_ wanted: stat, isDirectory: Bool) -> mode_t {
        wanted.st_mode & (isDirectory ? 0o7777 : 0o1777)
    }

    // utimensat(2): UTIME_OMIT; a macro that is not imported.
    private static let utimeOmit = (1 << 30) - 2

    private static func time(_ time: timespec, _ which: Int32, _ set: Int32, _ now: Int32)
        -> timespec?
    {
        guard which & set != 0 else { return nil }
        guard which & now != 0 else { return time }
        var current = timespec()
        clock_gettime(CLOCK_REALTIME, &current)
        return current
    }

    private static func overrides(_ wanted: stat, _ which: Int32) -> BackedFile.Overrides {
        var result = BackedFile.Overrides()
        if which & FUSE_SET_ATTR_MODE != 0 {
            result.mode = mode(wanted, isDirectory: false) | 0o600
        }
        if which & FUSE_SET_ATTR_UID != 0 { result.uid = wanted.st_uid }
        if which & FUSE_SET_ATTR_GID != 0 { result.gid = wanted.st_gid }
        result.accessed = time(wanted.st_atim, which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW)
        result.modified = time(wanted.st_mtim, which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW)
        return result
    }

    // MARK: Rename

    /// Where a RENAME goes.
    struct Target {
        var name: [UInt8]
        var parent: UInt64
        /// RENAME_NOREPLACE.
        var mustBeNew: Bool
    }

    /// RENAME. A file that gets its final name is archived first, so that rsync, which writes
    /// to a temporary name, is told by `rename` what others are told by `close`; but a large zip
    /// archive is archived behind it.
    func rename(
        _ name: [UInt8], in parent: UInt64, to target: Target, replyingTo reply: DeferredReply
    ) {
        do throws(Errno) {
            let then: @Sendable (Result<Void, Errno>) -> Void = { [self] result in
                guard case .success = result else { return reply.answer(result) }
                reply.answer(Result { () throws(Errno) in try move(name, in: parent, to: target) })
            }
            var zip: (file: SharedDescriptor, number: UInt64)?
            let step = try locked { () throws(Errno) -> Archiving in
                let node = try child(name, of: directoryNode(parent))
                touch(node)
                // Somebody who still writes to it closes it later, and is told then.
                let path = self.path(target.name, in: try directoryNode(target.parent))
                guard let file = node.file, !TemporaryName.matches(path: path),
                    file.state.withLock({ $0.dirtyHandles.isEmpty })
                else { return .nothing }
                zip = largeZip(node).map { ($0, node.number) }
                if zip != nil { return .nothing }
                return try archiving(of: node, as: path, then)
            }
            switch step {
            case .submit(let submission): submission.run(then)
            case .waits: break
            case .nothing:
                guard let zip else { return then(.success(())) }
                rename(zip.file, zip.number, name, in: parent, to: target, replyingTo: reply)
            }
        } catch {
            reply.answer(.failure(error))
        }
    }

    func move(_ name: [UInt8], in parent: UInt64, to target: Target) throws(Errno) {
        try locked { () throws(Errno) in
            let node = try child(name, of: directoryNode(parent))
            let newParent = try directoryNode(target.parent)
            guard !Self.isHidden(target.name) else { throw Errno(EPERM) }
            let source = node.path
            let existing: BackedNode? = try? child(target.name, of: newParent)
            // What is replaced may be called the same in another case.
            let newName = existing.flatMap { $0 === node ? nil : $0.name } ?? target.name
            let path = path(newName, in: newParent)
            if existing != nil, target.mustBeNew { throw Errno(EEXIST) }
            // rename(2) does nothing when both names are the same inode, as a file and its
            // archived copy of the same bytes may be.
            if let existing, existing !== node, existing.backingInode == node.backingInode {
                _ = path.withCString { unlinkat(directory, $0, 0) }
            }
            var isKept = false
            if let existing, existing !== node, !node.isDirectory,
                existing.backingInode != node.backingInode
            {
                isKept = try makeWay(existing)
            }
            let replaced: stat? = existing.flatMap {
                $0.isDirectory && $0 !== node ? try? attributes(of: $0) : nil
            }
            let result = source.withCString { source in
                path.withCString { renameat(directory, source, directory, $0) }
            }
            if result != 0 {
                let error = Errno.last
                if isKept, let existing { moveBack(existing, to: newName, in: newParent) }
                throw error
            }
            existing?.final = replaced.map {
                var status = $0
                status.st_nlink = 0
                return status
            }
            move(node, to: newName, in: newParent)
            touch(node)
        }
    }
}

extension BackedFile.Overrides {
    func updated(with newer: Self) -> Self {
        Self(
            mode: newer.mode ?? mode, uid: newer.uid ?? uid, gid: newer.gid ?? gid,
            accessed: newer.accessed ?? accessed, modified: newer.modified ?? modified)
    }
}
