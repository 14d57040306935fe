import Archive
import CFuse3
import Glibc
import System
import TagIndex

/// A directory tree of a volume that is shown as it is: `/incoming`, which programs write
/// to, and `/rejected`, which they read.
///
/// Names, times and modes are those of the file system below, so that whatever cp, rsync or
/// tar expect of a disk holds here too. What this type adds is what becomes of the files.
final class BackedTree: @unchecked Sendable {
    // Everything mutable below, and every BackedNode, is touched only inside `lock`.

    enum Kind { case incoming, rejected }

    let kind: Kind
    /// The volume that it is of.
    let staging: StagingArea
    /// The directory shown as its root.
    var directory: Int32 {
        kind == .incoming ? staging.incomingDescriptor : staging.rejectedDescriptor
    }
    let root: BackedNode
    let archive: Archive
    let permissions: Permissions
    private let lock = Lock(())
    let room = RoomWatch()
    private var nodes: [UInt64: BackedNode] = [:]
    private var nextNumber: UInt64
    /// The files that are to be archived, set aside or cleared away.
    var unsettled: [UInt64: BackedNode] = [:]
    /// The directories that go when they are empty and nothing happens any more.
    var vanishing: [UInt64: BackedNode] = [:]
    /// What was moved here from `/rejected`: its path there, and when, monotonic ns.
    var servedReasons: [(path: [UInt8], time: Int64)] = []
    /// Moves that wait for disks, and what goes on behind them.
    let moves: ThreadGroup

    /// - parameter predecessor: what was shown in its place before, on a volume that went:
    ///   numbers are not given again
    init(
        kind: Kind, staging: StagingArea, root number: UInt64, archive: Archive,
        permissions: Permissions, predecessor: BackedTree? = nil
    ) {
        self.kind = kind
        self.staging = staging
        self.archive = archive
        self.permissions = permissions
        moves = predecessor?.moves ?? ThreadGroup()
        root = BackedNode(number: number, isDirectory: true, backingInode: 0, parent: nil, name: [])
        // Beyond every number of an earlier run, as long as that gave fewer than 65,536 a second.
        nextNumber = UInt64(max(time(nil) - 1_700_000_000, 1)) << 16
        nodes[number] = root
        if let predecessor { succeed(predecessor) }
    }

    /// Numbers are not given again, and the directories that clients know of `/incoming` are
    /// made here too: whoever copies a folder goes on with its other files.
    private func succeed(_ predecessor: BackedTree) {
        predecessor.locked {
            nextNumber = max(nextNumber, predecessor.nextNumber + 1)
            if kind == .incoming { take(predecessor.root.children.values, into: root) }
        }
    }

    private func take(_ others: some Sequence<BackedNode>, into parent: BackedNode) {
        for other in others where other.isDirectory {
            let path = path(other.name, in: parent)
            let made = path.withCString { mkdirat(directory, $0, 0o755) } == 0
            var status = stat()
            guard made || errno == EEXIST,
                path.withCString({ fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0,
                status.st_mode & S_IFMT == S_IFDIR
            else { continue }
            let node = BackedNode(
                number: other.number, isDirectory: true, backingInode: UInt64(status.st_ino),
                parent: parent,
                name: other.name)
            node.lookups = other.lookups
            node.owner = other.owner
            node.hadFiles = true
            nodes[node.number] = node
            parent.children[node.name] = node
            vanishing[node.number] = node
            take(other.children.values, into: node)
        }
    }

    func locked<R>(_ body: () throws(Errno) -> R) throws(Errno) -> R {
        try lock.withLock { _ throws(Errno) in try body() }
    }

    func locked<R>(_ body: () -> R) -> R {
        lock.withLock { _ in body() }
    }

    /// Whether a number is that of a node of this tree.
    func has(_ number: UInt64) -> Bool { locked { nodes[number] != nil } }

    // MARK: Nodes (inside the lock)

    /// - throws: ESTALE for a number that was never given or has been forgotten
    func node(_ number: UInt64) throws(Errno) -> BackedNode {
        guard let node = nodes[number] else { throw Errno(ESTALE) }
        return node
    }

    func directoryNode(_ number: UInt64) throws(Errno) -> BackedNode {
        let node = try node(number)
        guard node.isDirectory else { throw Errno(ENOTDIR) }
        // Its path would be that of the root.
        guard !node.isRemoved else { throw Errno(ESTALE) }
        return node
    }

    /// The node behind a name that exists on disk; made when the name is met first.
    ///
    /// - throws: the error of `fstatat`; ENOENT for what is neither file nor directory
    func child(_ name: [UInt8], of parent: BackedNode) throws(Errno) -> BackedNode {
        guard !isHidden(name, in: parent) else { throw Errno(ENOENT) }
        let path = path(name, in: parent)
        var status = stat()
        guard path.withCString({ fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            let error = Errno.last
            if error.code == ENOENT, archive.settings.ignoresCase,
                let other = otherCase(of: name, in: parent)
            {
                return try child(other, of: parent)
            }
            if error.code == ENOENT, let gone = parent.children[name] { remove(gone) }
            throw error
        }
        if let known = parent.children[name] {
            if known.backingInode == UInt64(status.st_ino) { return known }
            remove(known)
        }
        let type = status.st_mode & S_IFMT
        guard type == S_IFREG || type == S_IFDIR else { throw Errno(ENOENT) }
        nextNumber += 1
        let number = (kind == .incoming ? InodeNumber.incoming(nextNumber) : .rejected(nextNumber))
            .rawValue
        let node = BackedNode(
            number: number, isDirectory: type == S_IFDIR, backingInode: UInt64(status.st_ino),
            parent: parent, name: name)
        nodes[number] = node
        parent.children[name] = node
        return node
    }

    /// Names that the daemon itself uses for a moment.
    static func isHidden(_ name: [UInt8]) -> Bool { name.starts(with: ".pacsfs-".utf8) }

    /// Those, and what of `rejected` is for whoever looks after the disks.
    func isHidden(_ name: [UInt8], in directory: BackedNode) -> Bool {
        if Self.isHidden(name) { return true }
        guard kind == .rejected, directory === root else { return false }
        return name == Array("bad-blobs".utf8) || name == Array("torn-ledger".utf8)
    }

    func path(_ name: [UInt8], in parent: BackedNode) -> [UInt8] {
        parent === root ? name : parent.path + [UInt8(ascii: "/")] + name
    }

    /// Takes the name away from the node; the kernel may still know the node.
    func remove(_ node: BackedNode) {
        if let parent = node.parent, parent.children[node.name] === node {
            parent.children[node.name] = nil
        }
        node.isRemoved = true
        node.parent = nil
        unsettled[node.number] = nil
        vanishing[node.number] = nil
        dropIfUnknown(node)
    }

    /// Moves the node to another name; what had that name is gone.
    func move(_ node: BackedNode, to name: [UInt8], in parent: BackedNode) {
        if let replaced = parent.children[name], replaced !== node { remove(replaced) }
        if let old = node.parent, old.children[node.name] === node { old.children[node.name] = nil }
        node.parent = parent
        node.name = name
        parent.children[name] = node
    }

    func forget(_ number: UInt64, count: UInt64) {
        guard number != root.number, let node = nodes[number] else { return }
        node.lookups -= min(count, node.lookups)
        dropIfUnknown(node)
    }

    /// Forgets a node that neither the kernel nor the settling needs.
    private func dropIfUnknown(_ node: BackedNode) {
        guard node.lookups == 0, node.openings == 0, unsettled[node.number] == nil,
            vanishing[node.number] == nil,
            node.children.isEmpty, node !== root, node.owner == nil || node.isRemoved
        else { return }
        if let file = node.file, file.state.withLock({ $0.handles > 0 }) { return }
        nodes[node.number] = nil
        if let parent = node.parent {
            if parent.children[node.name] === node { parent.children[node.name] = nil }
            dropIfUnknown(parent)
        }
    }

    /// Notes that something happens at the node, for what waits until all is quiet.
    func touch(_ node: BackedNode) {
        let now = monotonicNow()
        node.top.lastUse = now
        node.file?.state.withLock { $0.lastUse = now }
    }

    /// What `st_ino` and `d_ino` say of a file of the file system below.
    func shownInode(_ backing: UInt64) -> UInt64 {
        (kind == .incoming ? InodeNumber.incoming(backing) : .rejected(backing)).rawValue
    }

    // MARK: Attributes (inside the lock)

    func attributes(of node: BackedNode) throws(Errno) -> stat {
        var status = stat()
        let state = node.file?.state.withLock { ($0.descriptor, $0.overrides) }
        if let descriptor = state?.0 {
            status = try descriptor.status()
        } else {
            if let final = node.final { return final }
            guard !node.isRemoved else { throw Errno(ESTALE) }
            let path = node.path
            guard path.withCString({ fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0
            else {
                throw .last
            }
        }
        if let overrides = state?.1 { status = overrides.applied(to: status) }
        if let owner = node.owner { (status.st_uid, status.st_gid) = owner }
        status.st_ino =
            node === root
            ? UInt(node.number)
            : UInt(shownInode(UInt64(status.st_ino)))
        if !node.isDirectory {
            status.st_nlink = node.isRemoved ? 0 : 1
            status.st_mode = VouchedFile.unmarked(status.st_mode)
        }
        switch kind {
        case .incoming: if node === root { permissions.apply(.incoming, to: &status) }
        case .rejected:
            permissions.apply(node.isDirectory ? .rejectedDirectory : .rejectedFile, to: &status)
        }
        return status
    }

    /// What LOOKUP, CREATE and MKDIR answer. Nothing may be kept: names go when they settle,
    /// and attributes change when they are archived.
    func entry(for node: BackedNode) throws(Errno) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = node.number
        entry.attr = try attributes(of: node)
        node.lookups += 1
        return entry
    }
}
