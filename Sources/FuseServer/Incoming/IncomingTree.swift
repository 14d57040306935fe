import Archive
import CFuse3
import Glibc
import Naming
import System
import TagIndex

/// `/incoming`: a directory of a volume, to which programs write. Names, times and modes are those
/// of the file system of the volume, so that what cp, rsync or tar expect of a disk holds here
/// too. What this type adds is what becomes of the files.
final class IncomingTree: ServedTree {
    let staging: StagingArea
    let archive: Archive
    let permissions: Permissions
    let shares: UserShares
    let clock: any MonotonicClock
    let room = RoomWatch()
    let refusals = Refusals()
    /// RENAMEs that wait for disks, and what goes on after them.
    let renames: DeferredRenames
    let root: UInt64
    /// Guards what is remembered, see ``IncomingLock``.
    let lock: IncomingLock

    /// - Parameters:
    ///   - root: The number of its root.
    ///   - shares: Counts what users make here; one of its own when it is left out.
    ///   - predecessor: What was shown in its place before, on a volume that is gone. Numbers are
    ///     not given again, and its directories are made here too: a program that copies a folder
    ///     goes on with its other files.
    init(
        staging: StagingArea, root: UInt64, archive: Archive, permissions: Permissions,
        shares: UserShares? = nil, predecessor: IncomingTree? = nil,
        clock: any MonotonicClock = SystemClock()
    ) {
        self.clock = clock
        self.staging = staging
        self.archive = archive
        self.permissions = permissions
        self.shares = shares ?? UserShares(refusals: archive.refusals)
        self.root = root
        renames = predecessor?.renames ?? DeferredRenames()
        let earlier = predecessor?.retire()
        var tree = DirectoryTree(
            root: root,
            nextNumber: max(
                DirectoryTree.firstNumber(clock), earlier.map { $0.nextNumber + 1 } ?? 0)
        ) { InodeNumber.incoming($0).rawValue }
        if let earlier {
            Self.make(earlier.directories, in: &tree, staging.incomingDescriptor, clock.now)
        }
        lock = IncomingLock(IncomingContents(tree: tree))
    }

    /// Nothing new is made here from now on.
    private func retire() -> DirectoryTree {
        locked { contents in
            contents.isRetired = true
            return contents.tree
        }
    }

    private static func make(
        _ directories: [(node: DirectoryTree.Node, path: [UInt8])], in tree: inout DirectoryTree,
        _ volume: Int32, _ now: Int64
    ) {
        var numbers: [[UInt8]: UInt64] = [[]: tree.root]
        for (node, path) in directories {
            let facts = try? PathDescent.with(path, below: volume) {
                (directory, path) throws(Errno) -> FileFacts? in
                let result = path.withCString { mkdirat(directory, $0, 0o755) }
                guard result == 0 || errno == EEXIST else { throw .last }
                return try FileFacts.of(path, in: directory)
            }
            guard let parent = numbers[Array(path.dropLast(node.name.count + 1))],
                let facts = facts ?? nil, facts.isDirectory
            else { continue }
            let number = tree.add(
                .init(name: node.name, directory: parent), inode: facts.inode,
                isDirectory: true, as: node.number, now: now)
            tree.update(number) {
                $0.lookups = node.lookups
                $0.shownOwner = node.shownOwner
                $0.clearing = .whenQuiet
                $0.share = node.share
            }
            numbers[path] = number
        }
    }

    // MARK: Lock

    /// Calls `body` with what is remembered, and closes afterwards what nobody needs any more.
    func locked<R, Failure: Error>(
        _ body: (inout IncomingContents) throws(Failure) -> R
    ) throws(Failure) -> R {
        try lock.locked(body)
    }

    /// Takes the turn of a file, and begins to remember it if nothing but its name is known.
    ///
    /// - Parameter body: Called as soon as the turn is taken, under the same lock.
    /// - Throws: `ESTALE` for a file that is gone, errors of looking at it, and what `body` throws;
    ///   the turn was not taken then.
    func takeTurn<R>(
        of number: UInt64, then body: (inout IncomingContents) throws(Errno) -> R
    ) throws(Errno) -> R {
        let isKnown = try locked { (contents) throws(Errno) in
            if contents.files[number] != nil { return true }
            let node = try contents.tree.node(number)
            guard !node.isDirectory else { throw Errno(EISDIR) }
            return false
        }
        if !isKnown {
            let status = try statusOnDisk(of: number)
            locked { contents in
                guard contents.files[number] == nil, contents.tree.has(number) else { return }
                contents.add(IncomingFile(shown: status, state: .foreign), as: number)
            }
        }
        return try lock.takeTurn(of: number, then: body)
    }

    /// Calls `body` while the thread has the turn of a file.
    func withTurn<R>(of number: UInt64, _ body: () throws(Errno) -> R) throws(Errno) -> R {
        try takeTurn(of: number) { _ in }
        defer { lock.endTurn(of: number) }
        return try body()
    }

    /// Calls `body` while no other thread changes or looks up some names on disk.
    ///
    /// - Parameter body: Gets the directories, opened, in the order of `places`.
    /// - Throws: `ESTALE` or `ENOTDIR` for what is no directory, and what `body` throws.
    func reserving<R>(
        _ places: [Place], _ body: ([OpenFolder]) throws(Errno) -> R
    ) throws(Errno) -> R {
        var unique: [Place] = []
        for place in places where !unique.contains(place) { unique.append(place) }
        try lock.reserve(unique)
        defer { lock.release(unique) }
        var folders: [OpenFolder] = []
        for place in places {
            if let known = folders.first(where: { $0.number == place.directory }) {
                folders.append(known)
            } else {
                folders.append(try folder(place.directory))
            }
        }
        return try body(folders)
    }

    // MARK: Attributes

    /// What programs see of a directory, or of a file that is not remembered.
    ///
    /// - Parameter status: What the disk says.
    func shown(_ status: stat, _ node: DirectoryTree.Node) -> stat {
        var status = status
        if let owner = node.shownOwner { (status.st_uid, status.st_gid) = (owner.uid, owner.gid) }
        status.st_ino = UInt(node.number == root ? root : shownInode(UInt64(status.st_ino)))
        if !node.isDirectory {
            status.st_nlink = node.isRemoved ? 0 : 1
            status.st_mode = ForcedFile.unmarked(status.st_mode)
        }
        if node.number == root { permissions.apply(.incoming, to: &status) }
        return status
    }

    /// What `st_ino` and `d_ino` say of a file of the volume.
    func shownInode(_ inode: UInt64) -> UInt64 { InodeNumber.incoming(inode).rawValue }

    /// The answer of LOOKUP, CREATE and MKDIR, which counts as one. The kernel may keep nothing of
    /// it: names go when they settle, and attributes change when files are archived.
    ///
    /// - Parameter status: What the disk says; it does not matter for a file that is remembered.
    func entry(
        of number: UInt64, _ status: stat, _ contents: inout IncomingContents
    ) throws(Errno) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = number
        entry.attr = shown(contents.files[number]?.shown ?? status, try contents.tree.node(number))
        contents.tree.update(number) { $0.lookups += 1 }
        return entry
    }
}
