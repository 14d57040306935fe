import Archive
import CFuse3
import Glibc
import Storage
import System

/// An open file of a ``BackedTree``.
final class BackedHandle: Sendable {
    /// Whose file it is, also when another tree is shown by now.
    let tree: BackedTree
    let number: UInt64
    let file: BackedFile
    let canWrite: Bool

    init(tree: BackedTree, number: UInt64, file: BackedFile, canWrite: Bool) {
        self.tree = tree
        self.number = number
        self.file = file
        self.canWrite = canWrite
    }
}

extension BackedTree {
    func create(
        _ name: [UInt8], in parent: UInt64, flags: Int32, mode: mode_t,
        caller: (uid: uid_t, gid: gid_t)
    ) throws(Errno) -> (fuse_entry_param, BackedHandle) {
        try Errno.from { try archive.checkRoom(for: 0) }
        return try locked { () throws(Errno) in
            let parent = try directoryNode(parent)
            guard !Self.isHidden(name) else { throw Errno(EPERM) }
            // A name that is there may be an archived file, whose inode is not to be touched.
            if flags & O_EXCL == 0, let existing = try? child(name, of: parent) {
                let handle = try open(existing, flags: flags)
                return (try entry(for: existing), handle)
            }
            // The daemon must be able to read whatever its clients make.
            let descriptor = try SharedDescriptor(
                at: directory, path(name, in: parent), flags: O_RDWR | O_CREAT | O_EXCL,
                mode: mode & 0o777 | 0o600)
            let node = try child(name, of: parent)
            try give(node, to: caller, in: parent)
            guard let file = node.file else { throw Errno(EISDIR) }
            file.state.withLock { state in
                state.descriptor = descriptor
                state.isWritable = true
                state.handles += 1
                state.isChanged = true
            }
            unsettled[node.number] = node
            touch(node)
            return (
                try entry(for: node),
                BackedHandle(tree: self, number: node.number, file: file, canWrite: true)
            )
        }
    }

    func open(_ number: UInt64, flags: Int32) throws(Errno) -> BackedHandle {
        try locked { () throws(Errno) in try open(node(number), flags: flags) }
    }

    /// Inside the lock.
    private func open(_ node: BackedNode, flags: Int32) throws(Errno) -> BackedHandle {
        // Linux cuts a file that is opened for reading with O_TRUNC, too (open(2)).
        let truncates = flags & O_TRUNC != 0
        let writes = flags & O_ACCMODE != O_RDONLY || truncates
        guard kind == .incoming || !writes else { throw Errno(EROFS) }
        guard let file = node.file else { throw Errno(EISDIR) }
        if writes, file.state.withLock({ $0.isFrozen }) {
            try thaw(node, file, keepingBytes: !truncates)
        }
        try file.state.withLock { state throws(Errno) in
            // An archived inode is not writable even for its owner; readers get it as it is.
            if state.descriptor == nil || writes && !state.isWritable {
                guard !node.isRemoved else { throw Errno(ESTALE) }
                state.descriptor = try SharedDescriptor(
                    at: directory, node.path, flags: writes ? O_RDWR : O_RDONLY)
                state.isWritable = writes
            }
            if truncates, let descriptor = state.descriptor {
                guard ftruncate(descriptor.number, 0) == 0 else { throw .last }
                state.restart()
            }
            state.handles += 1
        }
        if writes { unsettled[node.number] = node }
        touch(node)
        return BackedHandle(
            tree: self, number: node.number, file: file, canWrite: flags & O_ACCMODE != O_RDONLY)
    }

    func release(_ handle: BackedHandle) {
        let submission = locked { () -> Submission? in
            let isLast = handle.file.state.withLock { state in
                state.handles -= 1
                state.dirtyHandles.remove(ObjectIdentifier(handle))
                state.interruptedHandles.remove(ObjectIdentifier(handle))
                return state.handles == 0
            }
            guard let node = try? node(handle.number) else { return nil }
            touch(node)
            defer {
                if isLast { handle.file.state.withLock { $0.descriptor = nil } }
                forget(node.number, count: 0)
            }
            // Bytes may come after the last close: from a mapping, or a descriptor that
            // was handed on. There is nobody left to tell, but they are kept.
            guard isLast, kind == .incoming else { return nil }
            return (try? self.submission(of: node)) ?? nil
        }
        submission?.run(replyingTo: nil)
    }

    /// Writes all of `bytes`. What cannot be written is noted: such a file is not archived.
    func write(_ handle: BackedHandle, _ bytes: UnsafeRawBufferPointer, offset: Int) throws(Errno)
        -> Int
    {
        guard handle.canWrite else { throw Errno(EBADF) }
        let range = offset..<offset + bytes.count
        do throws(Errno) {
            let count = try writeAll(handle, bytes, offset: offset)
            handle.file.state.withLock { $0.wrote(range) }
            return count
        } catch {
            handle.file.state.withLock { $0.failed(range, error) }
            throw error
        }
    }

    private func writeAll(
        _ handle: BackedHandle, _ bytes: UnsafeRawBufferPointer, offset: Int
    ) throws(Errno) -> Int {
        try room.take(bytes.count) { () throws(Errno) in
            try Errno.from { try archive.checkStagingRoom() }
        }
        while true {
            let written = try handle.file.state.withLock { state throws(Errno) -> Int? in
                if state.isFrozen { return nil }
                guard let descriptor = state.descriptor else { throw Errno(EBADF) }
                // Before anything is written, for a write that fails may have done a part.
                var digest = state.hashed == offset ? state.digest : nil
                state.digest = nil
                state.isChanged = true
                state.status = .new
                state.dirtyHandles.insert(ObjectIdentifier(handle))
                var done = 0
                while done < bytes.count {
                    let count = pwrite(
                        descriptor.number, bytes.baseAddress?.advanced(by: done),
                        bytes.count - done,
                        offset + done)
                    if count < 0, errno == EINTR { continue }
                    guard count > 0 else { throw count == 0 ? Errno(EIO) : .last }
                    done += count
                }
                state.announced?.wrote(offset..<offset + done)
                if state.announced?.isFulfilled == true { state.announced = nil }
                digest?.update(bytes)
                if digest != nil { state.hashed += done }
                state.digest = digest
                state.overrides?.modified = nil
                return done
            }
            if let written { return written }
            try locked { () throws(Errno) in
                if handle.file.state.withLock({ $0.isFrozen }) {
                    try thaw(node(handle.number), handle.file, keepingBytes: true)
                }
            }
        }
    }

    /// The open file that READ reads, which stays open while somebody holds it.
    func descriptor(of handle: BackedHandle) throws(Errno) -> SharedDescriptor {
        guard let descriptor = handle.file.state.withLock({ $0.descriptor }) else {
            throw Errno(EBADF)
        }
        return descriptor
    }

    /// - throws: ENOSPC when a file of this size could not be kept
    func checkRoom(to size: Int) throws(Errno) {
        try Errno.from { try archive.checkRoom(for: Int64(size)) }
    }

    /// Gives the file an inode of its own again: the one it has belongs to the archive.
    func thaw(_ node: BackedNode, _ file: BackedFile, keepingBytes: Bool) throws(Errno) {
        let temporary = Array(".pacsfs-\(node.number)".utf8)
        let old = try openDescriptor(of: node, file, flags: O_RDONLY)
        let shown = try attributes(of: node)
        let copy = try SharedDescriptor(at: directory, temporary, flags: O_RDWR | O_CREAT | O_TRUNC)
        do throws(Errno) {
            if keepingBytes { try Self.copy(old, to: copy) }
            if Capabilities.canGiveFilesAway { _ = fchown(copy.number, shown.st_uid, shown.st_gid) }
            _ = fchmod(copy.number, shown.st_mode & 0o7777 | 0o600)
            // To open a file changes nothing of it; what is written then does.
            if keepingBytes { _ = futimens(copy.number, [shown.st_atim, shown.st_mtim]) }
            if node.isRemoved {
                _ = temporary.withCString { unlinkat(directory, $0, 0) }
            } else {
                let path = node.path
                let kept = try keepApart(node, file)
                let result = temporary.withCString { source in
                    path.withCString { renameat(directory, source, directory, $0) }
                }
                if result != 0 {
                    let error = Errno.last
                    if let kept { reunite(kept, with: node) }
                    throw error
                }
            }
        } catch {
            _ = temporary.withCString { unlinkat(directory, $0, 0) }
            throw error
        }
        node.backingInode = UInt64(try copy.status().st_ino)
        file.state.withLock { state in
            if state.handles > 0 {
                state.descriptor = copy
                state.isWritable = true
            }
            state.thawed(keepingBytes: keepingBytes)
        }
        unsettled[node.number] = node
    }

    /// The descriptor it is open by, or a new one.
    func openDescriptor(
        of node: BackedNode, _ file: BackedFile, flags: Int32
    ) throws(Errno) -> SharedDescriptor {
        let opened = file.state.withLock { state in
            flags & O_ACCMODE == O_RDONLY || state.isWritable ? state.descriptor : nil
        }
        if let opened { return opened }
        return try SharedDescriptor(at: directory, node.path, flags: flags)
    }

    private static func copy(_ source: SharedDescriptor, to target: SharedDescriptor) throws(Errno)
    {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = 0
        while true {
            let count = pread(source.number, buffer.baseAddress, buffer.count, offset)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .last }
            if count == 0 { return }
            guard pwrite(target.number, buffer.baseAddress, count, offset) == count else {
                throw Errno(errno == 0 ? EIO : errno)
            }
            offset += count
        }
    }
}

extension BackedFile.State {
    fileprivate mutating func failed(_ range: Range<Int>, _ error: Errno) {
        let known = failure?.range ?? range
        failure = (
            min(known.lowerBound, range.lowerBound)..<max(known.upperBound, range.upperBound), error
        )
    }

    fileprivate mutating func wrote(_ range: Range<Int>) {
        guard let failed = failure?.range, range.lowerBound <= failed.lowerBound else { return }
        // Written again in other pieces, from the front.
        failure =
            range.upperBound >= failed.upperBound
            ? nil
            : failure.map {
                (max(failed.lowerBound, range.upperBound)..<failed.upperBound, $0.error)
            }
    }

    /// The size was set, not by writing.
    mutating func resized(from old: Int, to new: Int) {
        if announced == nil {
            announced = new > old ? Announcement(size: new, from: old) : nil
        } else {
            announced?.resize(to: new)
            if announced?.isFulfilled == true { announced = nil }
        }
    }

    /// After all bytes were cut off.
    mutating func restart() {
        failure = nil
        announced = nil
        isChanged = true
        overrides?.modified = nil
        status = .new
        digest = StreamingDigest()
        hashed = 0
    }

    /// After the file got an inode of its own.
    mutating func thawed(keepingBytes: Bool) {
        isFrozen = false
        isVouchedFor = false
        isPromised = false
        failures = .init()
        overrides = nil
        generation += 1
        digest = nil
        // The answer about the earlier inode will not be listened to.
        if case .archiving = status {
            status = .new
            isChanged = true
        }
        if !keepingBytes { restart() }
    }
}
