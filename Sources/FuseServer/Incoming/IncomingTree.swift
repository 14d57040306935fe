import Archive
import CFuse3
import Glibc
import Naming
import System
import TagIndex

// How requests about /incoming share it
// =====================================
//
// One lock guards ``IncomingState``. It is held for moments: no thread makes a system call while
// it has it, so that a disk that does not answer delays only those who want something of it.
// What a thread does on disk outside of the lock is kept apart from others by two kinds of
// reservations in the state; both are waited for with the lock given back.
//
//   turn    the right to change one file: its bytes, size, mode, owner and times, the copy before
//           the first write, the offer to the archive. See ``takeTurn(of:then:)``.
//   name    the right to make, look up, rename or remove one name of one directory. See
//           ``reserving(_:_:)``. A directory that is being renamed or removed is `isMoving`
//           as well: nobody begins anything below it until that has ended.
//
// A call on disk is made in three steps: reserve under the lock, do it, then publish what came of
// it, and give the reservation back, under the lock. Reading, listing and asking for attributes
// of files need neither.
//
// Order, where a thread has several: turn of a file, name, lock. Several names are taken at once
// or not at all, and nobody who has a name waits for a turn. No reply is sent under the lock.
//
// Threads: requests come on those of libfuse; answers of the archive on one of its own, which must
// not wait for a disk (``IncomingTree/finished``); what follows such an answer on disk, and
// RENAMEs that take long, on threads that ``DeferredRenames`` starts; what settles on those of
// ``Settling``.

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
    private let state: Monitor<IncomingState>

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
        state = Monitor(IncomingState(tree: tree))
    }

    /// Nothing new is made here from now on.
    private func retire() -> DirectoryTree {
        locked { state in
            state.isRetired = true
            return state.tree
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

    /// Calls `body` with the state, and closes afterwards what nobody needs any more.
    func locked<R, Failure: Error>(
        _ body: (inout IncomingState) throws(Failure) -> R
    ) throws(Failure) -> R {
        var discarded: [SharedDescriptor] = []
        defer { discarded.removeAll() }
        return try state.withLock { (state) throws(Failure) in
            defer { discarded = state.takeDiscarded() }
            return try body(&state)
        }
    }

    /// Waits until `body` returns something or throws.
    func waiting<R>(_ body: (inout IncomingState) throws(Errno) -> R?) throws(Errno) -> R {
        let (result, discarded) = state.wait { state -> (Result<R, Errno>, [SharedDescriptor])? in
            do throws(Errno) {
                return try body(&state).map { (.success($0), state.takeDiscarded()) }
            } catch {
                return (.failure(error), state.takeDiscarded())
            }
        }
        withExtendedLifetime(discarded) {}
        return try result.get()
    }

    /// Has those who wait look again.
    func wake() { state.withLock(waking: .all) { _ in } }

    // MARK: Turn of a file

    /// Waits until no other thread changes a file on disk, and has others wait until
    /// ``endTurn(of:)``.
    ///
    /// - Parameter body: Called as soon as the turn is taken, under the same lock.
    /// - Throws: `ESTALE` for a file that is gone, errors of looking at it, and what `body` throws;
    ///   the turn was not taken then.
    func takeTurn<R>(
        of number: UInt64, then body: (inout IncomingState) throws(Errno) -> R
    ) throws(Errno) -> R {
        try remember(number)
        var isWaiting = false
        return try waiting { (state) throws(Errno) -> R? in
            let isFree = try state.update(number) { file in
                if file.isTurnTaken {
                    if !isWaiting { file.turnWaiters += 1 }
                    isWaiting = true
                    return false
                }
                if isWaiting { file.turnWaiters -= 1 }
                isWaiting = false
                file.isTurnTaken = true
                return true
            }
            guard isFree else { return nil }
            do throws(Errno) { return try body(&state) } catch {
                try? state.update(number) { $0.isTurnTaken = false }
                throw error
            }
        }
    }

    func endTurn(of number: UInt64) {
        let wakes = locked { state in
            let waiters = try? state.update(number) { file in
                file.isTurnTaken = false
                return file.turnWaiters
            }
            state.dropIfIdle(number)
            return waiters ?? 0 > 0
        }
        if wakes { wake() }
    }

    /// Calls `body` while the thread has the turn of a file.
    func withTurn<R>(of number: UInt64, _ body: () throws(Errno) -> R) throws(Errno) -> R {
        try takeTurn(of: number) { _ in }
        defer { endTurn(of: number) }
        return try body()
    }

    /// Begins to remember a file of which nothing but the name is known.
    private func remember(_ number: UInt64) throws(Errno) {
        let isKnown = try locked { (state) throws(Errno) in
            if state.files[number] != nil { return true }
            let node = try state.tree.node(number)
            guard !node.isDirectory else { throw Errno(EISDIR) }
            return false
        }
        if isKnown { return }
        let status = try statusOnDisk(of: number)
        locked { state in
            guard state.files[number] == nil, state.tree.has(number) else { return }
            state.add(IncomingFile(shown: status, state: .foreign), as: number)
        }
    }

    // MARK: Names

    /// Calls `body` while no other thread changes or looks up some names on disk.
    ///
    /// - Parameter body: Gets the directories, opened, in the order of `places`.
    /// - Throws: `ESTALE` or `ENOTDIR` for what is no directory, and what `body` throws.
    func reserving<R>(
        _ places: [DirectoryTree.Place], _ body: ([Folder]) throws(Errno) -> R
    ) throws(Errno) -> R {
        var unique: [DirectoryTree.Place] = []
        for place in places where !unique.contains(place) { unique.append(place) }
        var isWaiting = false
        defer { if isWaiting { locked { $0.sleepers -= 1 } } }
        try waiting { (state) throws(Errno) -> Void? in
            if let done: Void = try state.reserve(unique) {
                if isWaiting { state.sleepers -= 1 }
                isWaiting = false
                return done
            }
            if !isWaiting { state.sleepers += 1 }
            isWaiting = true
            return nil
        }
        defer { release(unique) }
        var folders: [Folder] = []
        for place in places {
            if let known = folders.first(where: { $0.number == place.directory }) {
                folders.append(known)
            } else {
                folders.append(try folder(place.directory))
            }
        }
        return try body(folders)
    }

    func release(_ places: [DirectoryTree.Place]) {
        let wakes = locked { state in
            state.release(places)
            return state.sleepers > 0
        }
        if wakes { wake() }
    }

    /// Begins or ends the move of a directory.
    func setMoving(_ number: UInt64, _ isMoving: Bool) {
        let wakes = locked { state in
            state.tree.setMoving(number, isMoving)
            state.tree.forget(number, count: 0)
            return !isMoving && state.sleepers > 0
        }
        if wakes { wake() }
    }

    /// An open directory of the volume: names in it are reached wherever it is moved meanwhile.
    struct Folder {
        let number: UInt64
        let descriptor: Int32
        private let owner: SharedDescriptor?

        fileprivate init(_ number: UInt64, _ descriptor: Int32, owner: SharedDescriptor? = nil) {
            (self.number, self.descriptor, self.owner) = (number, descriptor, owner)
        }

        func status() throws(Errno) -> stat {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw .last }
            return status
        }

        /// A symbolic link is not followed.
        ///
        /// - Throws: The error of `fstatat(2)`.
        func status(of name: [UInt8]) throws(Errno) -> stat {
            var status = stat()
            let result = name.withCString { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }
            guard result == 0 else { throw .last }
            return status
        }
    }

    /// Opens a directory.
    ///
    /// - Throws: `ESTALE` when it was removed, and the errors of `openat(2)`.
    func folder(_ number: UInt64) throws(Errno) -> Folder {
        if number == root { return Folder(number, staging.incomingDescriptor) }
        while true {
            let (path, inode, moves) = try place(ofDirectory: number)
            do throws(Errno) {
                let opened = try SharedDescriptor(
                    at: staging.incomingDescriptor, path, flags: O_RDONLY | O_DIRECTORY)
                guard UInt64(try opened.status().st_ino) == inode else { throw Errno(ESTALE) }
                return Folder(number, opened.number, owner: opened)
            } catch {
                // Its path may have become another one in between.
                if locked({ $0.tree.moves }) == moves { throw error }
            }
        }
    }

    private func place(ofDirectory number: UInt64) throws(Errno) -> ([UInt8], UInt64, Int) {
        var isWaiting = false
        defer { if isWaiting { locked { $0.sleepers -= 1 } } }
        return try waiting { (state) throws(Errno) in
            let node = try state.tree.directory(number)
            if !state.tree.isMoving(number) {
                return (state.tree.path(of: number), node.inode, state.tree.moves)
            }
            if !isWaiting { state.sleepers += 1 }
            isWaiting = true
            return nil
        }
    }

    // MARK: Attributes

    /// What stat(2) says of a node on disk.
    func statusOnDisk(of number: UInt64) throws(Errno) -> stat {
        if number == root { return try folder(root).status() }
        return try onDisk(number) { (folder, name) throws(Errno) in try folder.status(of: name) }
    }

    /// Opens the inode that a file has on disk.
    func openOnDisk(_ number: UInt64, flags: Int32) throws(Errno) -> SharedDescriptor {
        try onDisk(number) { (folder, name) throws(Errno) in
            try SharedDescriptor(at: folder.descriptor, name, flags: flags)
        }
    }

    /// The descriptor by which a file is open, or a new one.
    func readable(_ number: UInt64, _ file: IncomingFile) throws(Errno) -> SharedDescriptor {
        if let descriptor = file.descriptor { return descriptor }
        return try openOnDisk(number, flags: O_RDONLY)
    }

    /// Makes a call with the name of a node. The thread has not reserved that.
    ///
    /// - Throws: `ESTALE` for a node without a name, and what `call` throws.
    func onDisk<R>(
        _ number: UInt64, _ call: (Folder, [UInt8]) throws(Errno) -> R
    ) throws(Errno) -> R {
        var isBeingRenamed = false
        while true {
            guard let place = locked({ $0.tree.place(of: number) }) else { throw Errno(ESTALE) }
            do throws(Errno) {
                guard isBeingRenamed else {
                    return try call(folder(place.directory), place.name)
                }
                return try reserving([place]) { (folders) throws(Errno) in
                    try call(folders[0], place.name)
                }
            } catch {
                let isSame = locked { $0.tree.place(of: number) } == place
                guard error.code == ENOENT || error.code == ESTALE, !isSame || !isBeingRenamed
                else { throw error }
                isBeingRenamed = true
            }
        }
    }

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
        of number: UInt64, _ status: stat, _ state: inout IncomingState
    ) throws(Errno) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = number
        entry.attr = shown(state.files[number]?.shown ?? status, try state.tree.node(number))
        state.tree.update(number) { $0.lookups += 1 }
        return entry
    }
}
