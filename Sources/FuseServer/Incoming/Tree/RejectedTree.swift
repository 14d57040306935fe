import Archive
import CFuse3
import Glibc
import Storage
import System
import TagIndex

/// `/rejected`: a directory of a volume with what was set aside. It is read-only but for what is
/// moved to `/incoming` from here, see ``Retry``. All it remembers are names and their numbers; the
/// rest is read from the disk, without a lock.
final class RejectedTree: ServedTree {
    let staging: StagingArea
    let root: UInt64
    private let permissions: Permissions
    private let tree: Lock<DirectoryTree>

    /// - Parameters:
    ///   - root: The number of its root.
    ///   - predecessor: What was shown in its place before; numbers are not given again.
    init(
        staging: StagingArea, root: UInt64, permissions: Permissions,
        predecessor: RejectedTree? = nil, clock: any MonotonicClock = SystemClock()
    ) {
        self.staging = staging
        self.root = root
        self.permissions = permissions
        let earlier = predecessor.map { $0.tree.withLock { $0.nextNumber + 1 } } ?? 0
        tree = Lock(
            DirectoryTree(root: root, nextNumber: max(DirectoryTree.firstNumber(clock), earlier)) {
                InodeNumber.rejected($0).rawValue
            })
    }

    /// Where it is on the volume.
    var directory: Int32 { staging.rejectedDescriptor }

    func has(_ number: UInt64) -> Bool { tree.withLock { $0.has(number) } }

    func forget(_ number: UInt64, count: UInt64) {
        tree.withLock { $0.forget(number, count: count) }
    }

    /// Names that the daemon uses itself, and the part of `rejected` that is for whoever looks
    /// after the disks.
    private func isHidden(_ name: [UInt8], in directory: UInt64) -> Bool {
        if HiddenName.matches(name) { return true }
        return directory == root
            && [Array("bad-blobs".utf8), Array("torn-ledger".utf8)].contains(name)
    }

    /// The path of a node on the volume, below ``directory``.
    ///
    /// - Throws: `ESTALE` for a node that was removed or is not known.
    private func path(of number: UInt64) throws(Errno) -> (path: [UInt8], node: DirectoryTree.Node)
    {
        try tree.withLock { (tree) throws(Errno) in
            let node = try tree.node(number)
            guard !node.isRemoved else { throw Errno(ESTALE) }
            return (tree.path(of: number), node)
        }
    }

    private func status(of path: [UInt8]) throws(Errno) -> stat {
        var status = stat()
        try PathDescent.with(path, below: directory) { (directory, path) throws(Errno) in
            let result = path.withCString { fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }
            guard result == 0 else { throw .last }
        }
        return status
    }

    /// Finds what has a name.
    ///
    /// - Returns: Its number and its path on the volume.
    func find(
        _ name: [UInt8], in parent: UInt64
    ) throws(Errno) -> (number: UInt64, path: [UInt8], status: stat) {
        let place = DirectoryTree.Place(name: name, directory: parent)
        let path = try tree.withLock { (tree) throws(Errno) in
            try tree.directory(parent)
            return tree.path(of: place)
        }
        guard !isHidden(name, in: parent) else { throw Errno(ENOENT) }
        let found: stat
        do throws(Errno) { found = try status(of: path) } catch {
            if error.code == ENOENT {
                tree.withLock { tree in
                    if let gone = tree.child(place) { tree.remove(gone) }
                }
            }
            throw error
        }
        guard [S_IFREG, S_IFDIR].contains(found.st_mode & S_IFMT) else { throw Errno(ENOENT) }
        let number = tree.withLock { tree in
            if let known = tree.child(place) {
                if (try? tree.node(known))?.inode == UInt64(found.st_ino) { return known }
                tree.remove(known)
            }
            return tree.add(
                place, inode: UInt64(found.st_ino), isDirectory: found.st_mode & S_IFMT == S_IFDIR,
                now: 0)
        }
        return (number, path, found)
    }

    func lookup(_ name: [UInt8], in parent: UInt64) throws(Errno) -> fuse_entry_param {
        let (number, _, status) = try find(name, in: parent)
        return entry(of: number, status)
    }

    func entry(of number: UInt64) throws(Errno) -> fuse_entry_param {
        entry(of: number, try status(of: try path(of: number).path))
    }

    private func entry(of number: UInt64, _ status: stat) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = number
        entry.attr = shown(status, number)
        tree.withLock { $0.update(number) { $0.lookups += 1 } }
        return entry
    }

    func parent(of number: UInt64) throws(Errno) -> UInt64 {
        try tree.withLock { (tree) throws(Errno) in
            guard let parent = try tree.node(number).parent else { throw Errno(ESTALE) }
            return parent
        }
    }

    func attributes(of number: UInt64) throws(Errno) -> stat {
        shown(try status(of: try path(of: number).path), number)
    }

    private func shown(_ status: stat, _ number: UInt64) -> stat {
        var status = status
        let isDirectory = status.st_mode & S_IFMT == S_IFDIR
        status.st_ino = UInt(number == root ? root : shownInode(UInt64(status.st_ino)))
        if !isDirectory { status.st_nlink = 1 }
        if isDirectory {
            permissions.apply(.rejectedDirectory, to: &status)
        } else {
            permissions.applyToRejected(&status)
        }
        return status
    }

    func shownInode(_ inode: UInt64) -> UInt64 { InodeNumber.rejected(inode).rawValue }

    /// Opens a file, for reading.
    ///
    /// - Throws: `EROFS` when it is to be written, `EISDIR`, and the errors of `openat(2)`.
    func open(_ number: UInt64, flags: Int32) throws(Errno) -> SharedDescriptor {
        // Linux truncates a file that is opened for reading with O_TRUNC, too (open(2)).
        guard flags & O_ACCMODE == O_RDONLY, flags & O_TRUNC == 0 else { throw Errno(EROFS) }
        let (path, node) = try path(of: number)
        guard !node.isDirectory else { throw Errno(EISDIR) }
        return try SharedDescriptor(at: directory, path, flags: O_RDONLY)
    }

    func openDirectory(_ number: UInt64) throws(Errno) -> DirectorySnapshot {
        let (path, node) = try path(of: number)
        guard node.isDirectory else { throw Errno(ENOTDIR) }
        let opened = try SharedDescriptor(at: directory, path, flags: O_RDONLY | O_DIRECTORY)
        return DirectorySnapshot(
            try DirectorySnapshot.entries(of: opened.number) { isHidden($0, in: number) })
    }

    /// What is in here is durable before it is shown.
    func syncDirectory(_ number: UInt64) {}

    /// What had a name has been moved to `/incoming`.
    func removed(_ number: UInt64) { tree.withLock { _ = $0.remove(number) } }

    // MARK: Extended attributes

    /// A reason is a few sentences; anything longer was not written by pacsfs.
    private static let longestReason = 16_384

    func extendedAttributes(of number: UInt64) throws(Errno) -> [(name: String, value: String)] {
        let (path, node) = try path(of: number)
        guard !node.isDirectory, !RejectedFolder.isReason(path) else { return [] }
        var attributes = [(ExtendedAttribute.state, "rejected")]
        if let reason = try reason(of: path) {
            attributes.append((ExtendedAttribute.reason, reason))
        }
        return attributes
    }

    private func reason(of path: [UInt8]) throws(Errno) -> String? {
        let file: SharedDescriptor
        do throws(Errno) {
            file = try SharedDescriptor(
                at: directory, RejectedFolder.reason(of: path), flags: O_RDONLY)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
        let bytes = try FileIO.bytes(file.number, at: 0, count: Self.longestReason)
        var text = String(decoding: bytes, as: UTF8.self)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
