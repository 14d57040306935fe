import Archive
import CFuse3
import Glibc
import System

/// An open file of `/incoming`.
final class IncomingHandle: Sendable {
    /// Whose file it is, also when another tree is shown by now.
    let tree: IncomingTree
    let number: UInt64
    let canWrite: Bool
    /// Counts it among what its user has open, until it is closed and what was archived through it
    /// has ended; `nil` when nobody counts.
    let share: UserShares.Place?

    init(tree: IncomingTree, number: UInt64, canWrite: Bool, share: UserShares.Place?) {
        self.tree = tree
        self.number = number
        self.canWrite = canWrite
        self.share = share
    }
}

// Opening, reading and closing files.
extension IncomingTree {
    /// CREATE.
    ///
    /// - Parameter share: Of the user in what is open.
    /// - Throws: `ENOSPC` when there is no room, `EIO` when there are too few volumes, `EDQUOT`
    ///   when the user has a full share of names, and the errors of `openat(2)`.
    func create(
        _ name: [UInt8], in parent: UInt64, flags: Int32, mode: mode_t, caller: FileOwner,
        share: UserShares.Place? = nil
    ) throws(Errno) -> (fuse_entry_param, IncomingHandle) {
        try requireRoom(forNew: name, in: parent)
        let place = Place(name: name, directory: parent)
        try requireOpenForNames([place])
        // A name that is there may be an archived file, whose inode is not to be touched.
        if flags & O_EXCL == 0, let existing = try? lookup(name, in: parent) {
            do throws(Errno) {
                return (existing, try open(existing.ino, flags: flags, share: share))
            } catch {
                forget(existing.ino, count: 1)
                throw error
            }
        }
        let nameShare = try shares.name(by: caller.uid)
        return try reserving([place]) { (folders) throws(Errno) in
            // The daemon must be able to read whatever its clients make.
            let descriptor = try SharedDescriptor(
                at: folders[0].descriptor, name, flags: O_RDWR | O_CREAT | O_EXCL,
                mode: mode & 0o777 | 0o600)
            try requireAnswering(orRemove: name, in: folders[0])
            let owner = try owner(for: caller, in: folders[0])
            if Capabilities.canGiveFilesAway {
                _ = fchown(descriptor.number, owner.uid, owner.gid)
            }
            var file = IncomingFile(
                shown: try descriptor.status(), state: .writing, bytes: WrittenBytes())
            if !Capabilities.canGiveFilesAway {
                (file.shown.st_uid, file.shown.st_gid) = (owner.uid, owner.gid)
            }
            file.descriptor = descriptor
            file.isWritable = true
            file.handles = 1
            return try locked { (contents) throws(Errno) in
                let number = contents.meet(place, file.shown, now: clock.now)
                contents.add(file, as: number)
                contents.tree.update(number) { $0.share = nameShare }
                return (
                    try entry(of: number, file.shown, &contents),
                    IncomingHandle(tree: self, number: number, canWrite: true, share: share)
                )
            }
        }
    }

    /// MKNOD of a regular file: so kernel NFS servers and `tar --xattrs` make files, and open them
    /// afterwards.
    ///
    /// - Throws: `EEXIST`, `EDQUOT` at the limit of a user's names, and the errors of `openat(2)`.
    func makeFile(
        _ name: [UInt8], in parent: UInt64, mode: mode_t, caller: FileOwner
    ) throws(Errno) -> fuse_entry_param {
        let (entry, handle) = try create(
            name, in: parent, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode, caller: caller)
        release(handle)
        return entry
    }

    /// OPEN. The copy that a file needs before it is written is made by the first write.
    ///
    /// - Parameter share: Of the user in what is open.
    /// - Throws: `EISDIR`, `ESTALE`, and the errors of `openat(2)`.
    func open(
        _ number: UInt64, flags: Int32, share: UserShares.Place? = nil
    ) throws(Errno) -> IncomingHandle {
        // Linux truncates a file that is opened for reading with O_TRUNC, too (open(2)).
        let truncates = flags & O_TRUNC != 0
        let writes = flags & O_ACCMODE != O_RDONLY || truncates
        let handle = IncomingHandle(
            tree: self, number: number, canWrite: flags & O_ACCMODE != O_RDONLY, share: share)
        let isOpen = try locked { (contents) throws(Errno) in
            let node = try contents.tree.node(number)
            guard !node.isDirectory else { throw Errno(EISDIR) }
            guard contents.files[number]?.isOpen(forWriting: writes) == true else { return false }
            try contents.opened(number, now: clock.now)
            return true
        }
        if !isOpen {
            try withTurn(of: number) { () throws(Errno) in
                try openDescriptor(of: number, forWriting: writes)
                try locked { (contents) throws(Errno) in
                    try contents.opened(number, now: clock.now)
                }
            }
        }
        if truncates {
            do throws(Errno) { try truncate(number, to: 0) } catch {
                close(handle)
                throw error
            }
        }
        return handle
    }

    /// Makes sure that a file of which the thread has the turn has a descriptor, which stays as
    /// long as there are handles.
    private func openDescriptor(of number: UInt64, forWriting writes: Bool) throws(Errno) {
        let file = try locked { (contents) throws(Errno) -> IncomingFile in
            guard let file = contents.files[number] else { throw Errno(ESTALE) }
            return file
        }
        guard !file.isOpen(forWriting: writes) else { return }
        // An archived inode is not writable even for its owner; readers get it as it is.
        let isWritable = writes && file.holder != .archive
        let descriptor: SharedDescriptor
        do throws(Errno) {
            descriptor = try openOnDisk(number, flags: isWritable ? O_RDWR : O_RDONLY)
        } catch {
            if error.code == ENOENT, hasGone(number) { throw Errno(ESTALE) }
            throw error
        }
        try locked { (contents) throws(Errno) in
            let old = try contents.update(number) { file in
                defer { (file.descriptor, file.isWritable) = (descriptor, isWritable) }
                return file.descriptor
            }
            contents.discard(old)
        }
    }

    /// Whether the name of a file is not on disk any more, as after a disk was pulled before it was
    /// durable. Then the file is forgotten, and its name is free.
    private func hasGone(_ number: UInt64) -> Bool {
        guard let place = locked({ $0.tree.place(of: number) }) else { return true }
        _ = try? reserving([place]) { (folders) throws(Errno) in
            try look(at: place, in: folders[0])
        }
        return locked { $0.tree.place(of: number) } == nil
    }

    /// The open file that READ reads; it stays open as long as somebody refers to it.
    func descriptor(of handle: IncomingHandle) throws(Errno) -> SharedDescriptor {
        guard let descriptor = locked({ $0.files[handle.number]?.descriptor }) else {
            throw Errno(EBADF)
        }
        return descriptor
    }

    /// RELEASE.
    func release(_ handle: IncomingHandle) {
        // Bytes may come after the last close: from a memory map, or a descriptor that was handed
        // on. There is nobody left to answer, but they are archived.
        if close(handle) { archiveInBackground(handle.number, share: handle.share) }
    }

    /// - Returns: Whether it was the last handle of a file with bytes that were not archived.
    @discardableResult
    private func close(_ handle: IncomingHandle) -> Bool {
        let number = handle.number
        return locked { contents in
            let closed = try? contents.update(number) { file -> (SharedDescriptor?, Bool) in
                file.handles -= 1
                file.writers.remove(ObjectIdentifier(handle))
                file.killedWriters.remove(ObjectIdentifier(handle))
                guard file.handles == 0 else { return (nil, false) }
                defer { (file.descriptor, file.isWritable) = (nil, false) }
                return (file.descriptor, file.isBeingWritten)
            }
            contents.discard(closed?.0)
            contents.touch(number, now: clock.now)
            contents.dropIfIdle(number)
            return closed?.1 == true && contents.tree.place(of: number) != nil
        }
    }

    /// FSYNC. After it the file survives a power cut, and so does its name: not every program
    /// syncs the folders as well, as fsync(2) asks for. A file that was not closed then is set
    /// aside by the next start, or waits under its temporary name.
    func sync(_ handle: IncomingHandle, dataOnly: Bool) throws(Errno) {
        let descriptor = try descriptor(of: handle)
        guard (dataOnly ? fdatasync(descriptor.number) : fsync(descriptor.number)) == 0 else {
            throw .last
        }
        let directory = locked { $0.tree.place(of: handle.number)?.directory }
        if let directory { try syncFolders(from: directory) }
    }

    /// FSYNCDIR.
    func syncDirectory(_ number: UInt64) throws(Errno) {
        let isThere = try locked { (contents) throws(Errno) in
            try !contents.tree.node(number).isRemoved
        }
        if isThere { try syncFolders(from: number) }
    }

    /// Makes the names in a folder durable, and those of the folders it is in.
    func syncFolders(from number: UInt64) throws(Errno) {
        var next: UInt64? = number
        while let number = next {
            do throws(Errno) {
                let folder = try folder(number)
                // File systems without such a thing say EINVAL.
                guard fsync(folder.descriptor) == 0 || errno == EINVAL else { throw .last }
            } catch {
                // Renamed or removed meanwhile, by a program that may sync it itself.
                if error.code == ENOENT || error.code == ESTALE { return }
                throw error
            }
            next = locked { $0.tree.place(of: number)?.directory }
        }
    }

    /// LSEEK: where data or a hole begins (lseek(2), SEEK_DATA and SEEK_HOLE).
    func seek(_ handle: IncomingHandle, to offset: Int, whence: Int32) throws(Errno) -> Int {
        // Reads and writes name their own offsets, so that nobody uses its position.
        let descriptor = try descriptor(of: handle)
        let result = lseek(descriptor.number, offset, whence)
        guard result >= 0 else { throw .last }
        return result
    }
}

extension IncomingFile {
    fileprivate var isBeingWritten: Bool { if case .writing = state { true } else { false } }

    /// Whether it can be opened once more without a call to the disk.
    func isOpen(forWriting writes: Bool) -> Bool {
        descriptor != nil && (!writes || isWritable || holder == .archive)
    }
}

extension IncomingContents {
    fileprivate mutating func opened(_ number: UInt64, now: Int64) throws(Errno) {
        try update(number) { $0.handles += 1 }
        touch(number, now: now)
    }
}
