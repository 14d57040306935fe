import Archive
import CFuse3
import Glibc
import Naming
import System

/// Keeps an open directory from being cleared away when it is empty, until this goes.
private final class DirectoryHold: Sendable {
    private let tree: IncomingTree
    private let number: UInt64

    /// - Throws: `ESTALE` or `ENOTDIR`.
    init(_ number: UInt64, of tree: IncomingTree) throws(Errno) {
        self.tree = tree
        self.number = number
        try tree.locked { (contents) throws(Errno) in
            try contents.tree.directory(number)
            contents.tree.update(number) { $0.uses += 1 }
        }
    }

    deinit {
        tree.locked { [number] contents in
            contents.tree.endUse(of: number)
        }
    }
}

// Making, finding, listing and removing names.
extension IncomingTree {
    typealias Place = DirectoryTree.Place

    func has(_ number: UInt64) -> Bool { locked { $0.tree.has(number) } }

    func forget(_ number: UInt64, count: UInt64) {
        locked { $0.tree.forget(number, count: count) }
    }

    func parent(of number: UInt64) throws(Errno) -> UInt64 {
        try locked { (contents) throws(Errno) in
            guard let parent = try contents.tree.node(number).parent else { throw Errno(ESTALE) }
            return parent
        }
    }

    // MARK: Looking up

    func lookup(_ name: [UInt8], in parent: UInt64) throws(Errno) -> fuse_entry_param {
        let place = Place(name: name, directory: parent)
        let known = try locked { (contents) throws(Errno) -> fuse_entry_param? in
            try contents.tree.directory(parent)
            guard let number = contents.tree.child(place), let file = contents.files[number],
                file.isOurs
            else { return nil }
            return try entry(of: number, file.shown, &contents)
        }
        if let known { return known }
        return try find(place) { (contents, number, status) throws(Errno) in
            try entry(of: number, status, &contents)
        }
    }

    func entry(of number: UInt64) throws(Errno) -> fuse_entry_param {
        let status = try attributesOnDisk(of: number)
        return try locked { (contents) throws(Errno) in
            guard try !contents.tree.node(number).isRemoved else { throw Errno(ESTALE) }
            return try entry(of: number, status, &contents)
        }
    }

    func attributes(of number: UInt64) throws(Errno) -> stat {
        let status = try attributesOnDisk(of: number)
        return try locked { (contents) throws(Errno) in
            let node = try contents.tree.node(number)
            return shown(contents.files[number]?.shown ?? node.finalAttributes ?? status, node)
        }
    }

    /// What the disk says of a node; it is not asked about a file that is remembered, or a
    /// directory that was removed.
    private func attributesOnDisk(of number: UInt64) throws(Errno) -> stat {
        let isKnown = try locked { (contents) throws(Errno) in
            let node = try contents.tree.node(number)
            return contents.files[number] != nil || node.finalAttributes != nil
        }
        return isKnown ? stat() : try statusOnDisk(of: number)
    }

    /// Finds what has a name on disk.
    ///
    /// - Parameter body: Called under the lock, with its number and what the disk says of it.
    /// - Throws: `ENOENT` for what is neither file nor directory, errors of looking, and what
    ///   `body` throws.
    func find<R>(
        _ place: Place, _ body: (inout IncomingContents, UInt64, stat) throws(Errno) -> R
    ) throws(Errno) -> R {
        try reserving([place]) { (folders) throws(Errno) in
            let (place, status) = try look(at: place, in: folders[0])
            let number = meet(place, status, in: folders[0])
            return try locked { (contents) throws(Errno) in try body(&contents, number, status) }
        }
    }

    /// Looks at a place on disk that the thread has reserved.
    ///
    /// - Returns: The place, with the name in the case that it has on disk.
    func look(at place: Place, in folder: OpenFolder) throws(Errno) -> (Place, stat) {
        guard !HiddenName.matches(place.name) else { throw Errno(ENOENT) }
        var place = place
        var status: stat
        do throws(Errno) {
            status = try folder.status(of: place.name)
        } catch {
            guard error.code == ENOENT else { throw error }
            guard let other = try otherCase(of: place.name, in: folder) else {
                locked { contents in
                    if let gone = contents.tree.child(place) { contents.remove(gone) }
                }
                throw error
            }
            place.name = other
            status = try folder.status(of: other)
        }
        guard [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else { throw Errno(ENOENT) }
        return (place, status)
    }

    /// With `ignore_case`, the name on disk that differs from `name` in case only.
    private func otherCase(of name: [UInt8], in folder: OpenFolder) throws(Errno) -> [UInt8]? {
        guard archive.settings.ignoresCase else { return nil }
        let folded = PortableName.folded(String(decoding: name, as: UTF8.self))
        return try DirectorySnapshot.entries(of: folder.descriptor, isHidden: HiddenName.matches)
            .map(\.name)
            .first {
                $0 != name && PortableName.folded(String(decoding: $0, as: UTF8.self)) == folded
            }
    }

    // MARK: Listing

    func openDirectory(_ number: UInt64) throws(Errno) -> DirectorySnapshot {
        // A program that has a directory open, as to write into it again and again, finds it there.
        let hold = try DirectoryHold(number, of: self)
        let folder = try folder(number)
        return DirectorySnapshot(
            try DirectorySnapshot.entries(of: folder.descriptor, isHidden: HiddenName.matches),
            hold: hold)
    }

    // MARK: Making and removing

    /// MKDIR.
    ///
    /// - Throws: `ENAMETOOLONG` below 256 levels, and the errors of `mkdirat(2)`.
    func makeDirectory(
        _ name: [UInt8], in parent: UInt64, mode: mode_t, caller: FileOwner
    ) throws(Errno) -> fuse_entry_param {
        let place = Place(name: name, directory: parent)
        try requireOpenForNames([place])
        try locked { (contents) throws(Errno) in try contents.tree.requireDepth(of: 1, in: parent) }
        let share = try shares.name(by: caller.uid)
        return try reserving([place]) { (folders) throws(Errno) in
            let folder = folders[0]
            // The daemon must be able to enter whatever its clients make.
            guard name.withCString({ mkdirat(folder.descriptor, $0, mode | 0o700) }) == 0 else {
                throw .last
            }
            try requireAnswering(orRemove: name, in: folder, AT_REMOVEDIR)
            let owner = try owner(for: caller, in: folder)
            let shownOwner = try give(name, in: folder, to: owner)
            let status = try folder.status(of: name)
            return try locked { (contents) throws(Errno) in
                let now = clock.now
                let number = contents.meet(place, status, now: now)
                contents.tree.update(number) {
                    $0.clearing = .whenAbandoned
                    $0.shownOwner = shownOwner
                    $0.share = share
                }
                return try entry(of: number, status, &contents)
            }
        }
    }

    /// Takes away what was made when nobody waited for it any more: it has been made on another
    /// volume since.
    ///
    /// - Throws: `EIO` when the disk was given up.
    func requireAnswering(
        orRemove name: [UInt8], in folder: OpenFolder, _ flags: Int32 = 0
    ) throws(Errno) {
        guard staging.disk?.hasGivenUp == true else { return }
        _ = name.withCString { unlinkat(folder.descriptor, $0, flags) }
        throw Errno(EIO)
    }

    /// - Throws: `EIO` when another tree is shown by now, and `EPERM` for a name of the daemon's.
    func requireOpenForNames(_ places: [Place]) throws(Errno) {
        try locked { (contents) throws(Errno) in
            for place in places { try contents.tree.directory(place.directory) }
            // As from a volume that has gone: the one that has taken its place is tried then.
            if contents.isRetired { throw Errno(EIO) }
        }
        guard !places.contains(where: { HiddenName.matches($0.name) }) else { throw Errno(EPERM) }
    }

    /// To whom something belongs that a caller makes: with the group of the directory where that
    /// has its bit set (inode(7), S_ISGID).
    func owner(for caller: FileOwner, in folder: OpenFolder) throws(Errno) -> FileOwner {
        let above = try attributesOfDirectory(folder)
        guard above.st_mode & S_ISGID != 0 else { return caller }
        return FileOwner(uid: caller.uid, gid: above.st_gid)
    }

    func attributesOfDirectory(_ folder: OpenFolder) throws(Errno) -> stat {
        let status = try folder.status()
        return try locked { (contents) throws(Errno) in
            shown(status, try contents.tree.node(folder.number))
        }
    }

    /// Makes a new directory its maker's.
    ///
    /// - Returns: To whom it is shown to belong, where it cannot be given away on disk.
    func give(
        _ name: [UInt8], in folder: OpenFolder, to owner: FileOwner
    ) throws(Errno) -> FileOwner? {
        let isInherited = try attributesOfDirectory(folder).st_mode & S_ISGID != 0
        if Capabilities.canGiveFilesAway {
            _ = name.withCString {
                fchownat(folder.descriptor, $0, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW)
            }
        }
        if isInherited {
            // After chown, which takes the bit away.
            let mode = try folder.status(of: name).st_mode & 0o7777 | S_ISGID
            _ = name.withCString { fchmodat(folder.descriptor, $0, mode, 0) }
        }
        let isDaemons = owner == FileOwner(uid: geteuid(), gid: getegid())
        return Capabilities.canGiveFilesAway || isDaemons ? nil : owner
    }

    /// RMDIR.
    func removeDirectory(_ name: [UInt8], in parent: UInt64) throws(Errno) {
        let place = Place(name: name, directory: parent)
        try reserving([place]) { (folders) throws(Errno) in
            let (place, status) = try look(at: place, in: folders[0])
            let number = locked { $0.meet(place, status, now: clock.now) }
            var final = try locked { (contents) throws(Errno) in
                shown(status, try contents.tree.node(number))
            }
            final.st_nlink = 0
            try removeDirectory(number, at: place, in: folders[0])
            locked { contents in contents.tree.update(number) { $0.finalAttributes = final } }
        }
    }

    /// Removes a directory whose name the thread has reserved.
    func removeDirectory(_ number: UInt64, at place: Place, in folder: OpenFolder) throws(Errno) {
        lock.beginMove(of: number)
        defer { lock.endMove(of: number) }
        let result = place.name.withCString { unlinkat(folder.descriptor, $0, AT_REMOVEDIR) }
        guard result == 0 else { throw .last }
        locked { contents in
            contents.touch(place.directory, now: clock.now)
            contents.remove(number)
        }
    }

    /// UNLINK: takes the name away. What has been archived from it stays archived.
    func unlink(_ name: [UInt8], in parent: UInt64) throws(Errno) {
        let place = Place(name: name, directory: parent)
        try reserving([place]) { (folders) throws(Errno) in
            let (place, _) = try look(at: place, in: folders[0])
            let result = place.name.withCString { unlinkat(folders[0].descriptor, $0, 0) }
            guard result == 0 else { throw .last }
            locked { contents in
                contents.touch(parent, now: clock.now)
                if let number = contents.tree.child(place) { contents.remove(number) }
            }
        }
    }
}
