import CFuse3
import Glibc
import Naming
import System

/// What a directory held when it was opened: cookies are places in it, so that nothing is
/// listed twice or left out while others come and go.
final class DirectorySnapshot: @unchecked Sendable {
    // The kernel holds the lock of the open directory around each READDIR of it, so there is
    // one caller at a time.
    struct Entry {
        var name: [UInt8]
        var isDirectory: Bool
        var inode: UInt64
    }

    var entries: [Entry]
    private let hold: DirectoryHold?

    /// - parameter hold: kept as long as this
    init(_ entries: [Entry], hold: DirectoryHold? = nil) {
        self.entries = entries
        self.hold = hold
    }
}

/// Keeps an open directory of `/incoming` from being cleared away when it is empty, until this
/// goes. Not to be let go with the lock of the tree held.
final class DirectoryHold: Sendable {
    private let tree: BackedTree
    private let number: UInt64

    /// Inside the lock of the tree.
    fileprivate init(_ node: BackedNode, of tree: BackedTree) {
        node.openings += 1
        self.tree = tree
        number = node.number
    }

    deinit { tree.locked { tree.closedDirectory(number) } }
}

extension BackedTree {
    func lookup(_ name: [UInt8], in parent: UInt64) throws(Errno) -> fuse_entry_param {
        try locked { () throws(Errno) in
            try entry(for: child(name, of: directoryNode(parent)))
        }
    }

    func attributes(of number: UInt64) throws(Errno) -> stat {
        try locked { () throws(Errno) in try attributes(of: node(number)) }
    }

    func snapshot(of number: UInt64) throws(Errno) -> DirectorySnapshot {
        try locked { () throws(Errno) in
            try DirectorySnapshot(entries(in: directoryNode(number)))
        }
    }

    /// OPENDIR: whoever has a directory open, as a program that writes into it again and again,
    /// finds it there.
    func openDirectory(_ number: UInt64) throws(Errno) -> DirectorySnapshot {
        try locked { () throws(Errno) in
            let node = try directoryNode(number)
            let entries = try entries(in: node)
            return DirectorySnapshot(entries, hold: DirectoryHold(node, of: self))
        }
    }

    fileprivate func closedDirectory(_ number: UInt64) {
        guard let node = try? node(number) else { return }
        node.openings -= 1
        forget(number, count: 0)
    }

    /// The name on disk that differs from `name` in case only.
    func otherCase(of name: [UInt8], in node: BackedNode) -> [UInt8]? {
        let folded = PortableName.folded(String(decoding: name, as: UTF8.self))
        return try? names(in: node).first {
            $0 != name && PortableName.folded(String(decoding: $0, as: UTF8.self)) == folded
        }
    }

    func names(in node: BackedNode) throws(Errno) -> [[UInt8]] {
        try entries(in: node).map(\.name)
    }

    /// The names in a folder, given by its path.
    func names(at path: [UInt8]) throws(Errno) -> [[UInt8]] {
        try entries(at: path) { Self.isHidden($0) }.map(\.name)
    }

    private func entries(in node: BackedNode) throws(Errno) -> [DirectorySnapshot.Entry] {
        try entries(at: node.path) { isHidden($0, in: node) }
    }

    private func entries(
        at path: [UInt8], isHidden: ([UInt8]) -> Bool
    ) throws(Errno) -> [DirectorySnapshot.Entry] {
        let descriptor = path.withCString {
            openat(directory, $0, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        }
        guard descriptor >= 0 else { throw .last }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw .last
        }
        defer { closedir(stream) }
        var entries: [DirectorySnapshot.Entry] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { [UInt8](cString: $0) }
            }
            let type = Int32(entry.pointee.d_type)
            let isShown = [DT_REG, DT_DIR, DT_UNKNOWN].map { Int32($0) }.contains(type)
            guard name != Array(".".utf8), name != Array("..".utf8), !isHidden(name), isShown else {
                continue
            }
            entries.append(
                .init(
                    name: name, isDirectory: type == Int32(DT_DIR),
                    inode: UInt64(entry.pointee.d_ino)))
        }
        return entries
    }

    func makeDirectory(
        _ name: [UInt8], in parent: UInt64, mode: mode_t, caller: (uid: uid_t, gid: gid_t)
    ) throws(Errno) -> fuse_entry_param {
        try locked { () throws(Errno) in
            let parent = try directoryNode(parent)
            guard !Self.isHidden(name) else { throw Errno(EPERM) }
            let path = path(name, in: parent)
            // The daemon must be able to enter whatever its clients make.
            guard path.withCString({ mkdirat(directory, $0, mode | 0o700) }) == 0 else {
                throw .last
            }
            let node = try child(name, of: parent)
            try give(node, to: caller, in: parent)
            touch(node)
            vanishing[node.number] = node
            return try entry(for: node)
        }
    }

    /// The group of what the caller makes in a directory: that of the directory where it has its
    /// bit set (inode(7), S_ISGID). Inside the lock.
    func group(for caller: (uid: uid_t, gid: gid_t), in parent: BackedNode) -> gid_t {
        guard let above = try? attributes(of: parent), above.st_mode & S_ISGID != 0 else {
            return caller.gid
        }
        return above.st_gid
    }

    /// Makes what is new the caller's, and the group's of the directory where that one has its bit
    /// set (inode(7), S_ISGID). Inside the lock.
    func give(_ node: BackedNode, to caller: (uid: uid_t, gid: gid_t), in parent: BackedNode)
        throws(Errno)
    {
        let isInherited = try attributes(of: parent).st_mode & S_ISGID != 0
        let owner = (uid: caller.uid, gid: group(for: caller, in: parent))
        let path = node.path
        if Capabilities.canGiveFilesAway {
            _ = path.withCString {
                fchownat(directory, $0, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW)
            }
        } else if owner != (uid: geteuid(), gid: getegid()) {
            node.owner = owner
        }
        guard isInherited, node.isDirectory else { return }
        // Behind chown, which takes the bit away.
        let mode = try attributes(of: node).st_mode & 0o7777 | S_ISGID
        _ = path.withCString { fchmodat(directory, $0, mode, 0) }
    }

    func removeDirectory(_ name: [UInt8], in parent: UInt64) throws(Errno) {
        try locked { () throws(Errno) in
            let node = try child(name, of: directoryNode(parent))
            var final: stat? = try attributes(of: node)
            final?.st_nlink = 0
            guard node.path.withCString({ unlinkat(directory, $0, AT_REMOVEDIR) }) == 0 else {
                throw .last
            }
            touch(node)
            remove(node)
            node.final = final
        }
    }

    /// Takes the name away. What has been archived from it stays archived.
    func unlink(_ name: [UInt8], in parent: UInt64) throws(Errno) {
        try locked { () throws(Errno) in
            let node = try child(name, of: directoryNode(parent))
            guard node.path.withCString({ unlinkat(directory, $0, 0) }) == 0 else { throw .last }
            touch(node)
            remove(node)
        }
    }
}
