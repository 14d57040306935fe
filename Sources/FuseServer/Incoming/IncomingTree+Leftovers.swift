import Archive
import Glibc
import System

// Files that lie in /incoming without having been written through this tree.
//
// Programs may use /incoming before all of them are added: what a program comes to first is added
// then. To look at a file costs the same whatever its size; whether it is whole is read
// when it is archived.
extension IncomingTree {
    /// From now on files that are met are added, until ``addLeftovers()`` has met all.
    func beginAddingLeftovers() { locked { $0.isAddingLeftovers = true } }

    /// Adds what an earlier run left: whole files are archived, those under temporary names
    /// wait for their rename, and others, whose writer never closed them, are set aside.
    func addLeftovers() {
        beginAddingLeftovers()
        var folders = [(number: root, depth: 0)]
        while let (number, depth) = folders.popLast() {
            guard
                let folder = try? folder(number),
                let entries = try? DirectorySnapshot.entries(
                    of: folder.descriptor, isHidden: HiddenName.matches)
            else { continue }
            var hasDeeper = false
            for entry in entries {
                if locked({ $0.stopsAddingLeftovers }) { return }
                if entry.isDirectory, depth == DirectoryTree.deepest {
                    hasDeeper = true
                    continue
                }
                let place = Place(name: entry.name, directory: number)
                // Each by itself: the disk is given up when one of them takes too long.
                let taken = try? staging.onDisk { [self] in try? addLeftover(place) }
                guard let child = taken ?? nil else { continue }
                if child.isDirectory { folders.append((child.number, depth + 1)) }
            }
            if hasDeeper { leave(number, folder) }
        }
        locked { $0.isAddingLeftovers = false }
    }

    /// Leaves what is not added yet to the next start.
    func stopAddingLeftovers() { locked { $0.stopsAddingLeftovers = true } }

    /// Leaves alone what lies too deep, but for folders without a file. No client has made it.
    private func leave(_ number: UInt64, _ folder: OpenFolder) {
        if archive.removeEmptyFolders(below: folder.descriptor) { return }
        let path = IngestSource.incoming(locked { $0.tree.path(of: number) })
        archive.log.error(
            """
            What lies below \(path.shown) is nested deeper than \(DirectoryTree.deepest) folders, \
            and was left alone. Stop pacsfs, move it up in staging/incoming of the volume, and \
            start pacsfs again.
            """)
    }

    /// Adds a file that was brought here from another volume, and the folders it is in.
    ///
    /// - Parameter path: Below the root.
    func addLeftover(_ path: [UInt8]) {
        var number = root
        for name in path.split(separator: UInt8(ascii: "/")) {
            guard let child = try? addLeftover(Place(name: Array(name), directory: number)) else {
                return
            }
            number = child.number
        }
    }

    private func addLeftover(
        _ place: Place
    ) throws(Errno) -> (number: UInt64, isDirectory: Bool) {
        try reserving([place]) { (folders) throws(Errno) in
            let (place, status) = try look(at: place, in: folders[0])
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            let number = meet(place, status, in: folders[0], isLeftover: true)
            if isDirectory { locked { $0.clearWhenQuiet(number) } }
            return (number, isDirectory)
        }
    }

    /// The number of what the disk has at a place that the thread has reserved.
    ///
    /// - Parameter isLeftover: Whether a file that is not known was left by an earlier run, or
    ///   brought here; otherwise that is so while not all are added.
    func meet(
        _ place: Place, _ status: stat, in folder: OpenFolder, isLeftover: Bool = false
    ) -> UInt64 {
        let (number, isNew) = locked { contents in
            let number = contents.meet(place, status, now: clock.now)
            return (
                number, (isLeftover || contents.isAddingLeftovers) && contents.files[number] == nil
            )
        }
        if isNew, status.st_mode & S_IFMT == S_IFREG {
            addLeftover(number, at: place, status, in: folder)
        }
        return number
    }

    private func addLeftover(
        _ number: UInt64, at place: Place, _ status: stat, in folder: OpenFolder
    ) {
        // A second name, in staging/commit, says that it was closed and is whole.
        var facts = IncomingFacts(
            path: locked { $0.tree.path(of: place) }, settings: archive.settings,
            bytes: Int64(status.st_size), ending: status.st_nlink > 1 ? .closed : .interrupted)
        facts.isForced = ForcedFile.isMarked(status.st_mode)
        // Whether a zip archive is whole is seen when it is unpacked.
        let file = try? SharedDescriptor(
            at: folder.descriptor, place.name, flags: O_RDONLY | O_NONBLOCK)
        facts.isZip = file.map { Archive.isZip($0.number) } ?? false
        locked { contents in
            guard contents.files[number] == nil, contents.tree.place(of: number) != nil else {
                return
            }
            contents.add(IncomingFile(leftover: status, facts), as: number)
            // It has been quiet long enough.
            if IncomingDecision(facts) != .wait { contents.touch(number, now: 0) }
        }
    }

    /// How many files are to be archived or set aside, those included that are not added yet.
    var pending: Int {
        let (known, isAddingLeftovers) = locked { ($0.pending, $0.isAddingLeftovers) }
        return isAddingLeftovers ? max(known, archive.filesWaiting(on: staging)) : known
    }

    /// Files that are being written or need nothing more, by their numbers on the volume.
    var inodesNotWaiting: Set<UInt64> {
        locked { contents in
            var inodes: Set<UInt64> = []
            for (number, file) in contents.files where !file.isPending || !file.writers.isEmpty {
                if let inode = (try? contents.tree.node(number))?.inode { inodes.insert(inode) }
            }
            return inodes
        }
    }

    /// Files that the archive has, or will be given when they settle or once more, by their numbers
    /// on the volume; `nil` as long as not all that an earlier run left is added.
    var inodesToBeArchived: Set<UInt64>? {
        let settings = archive.settings
        return locked { contents in
            if contents.isAddingLeftovers { return nil }
            var inodes: Set<UInt64> = []
            for (number, file) in contents.files {
                guard let place = contents.tree.place(of: number),
                    file.isToBeArchived(as: contents.tree.path(of: place), settings),
                    let inode = (try? contents.tree.node(number))?.inode
                else { continue }
                inodes.insert(inode)
            }
            return inodes
        }
    }

    /// Whether a file is open, or on its way into the archive.
    ///
    /// - Parameter inode: On the volume.
    func isInUse(inode: UInt64) -> Bool {
        locked { contents in
            contents.files.contains { number, file in
                guard file.handles > 0 || file.isUnderWay else { return false }
                return (try? contents.tree.node(number))?.inode == inode
            }
        }
    }
}

extension IncomingFile {
    /// Whether the archive has its bytes now, or will be given them by ``Settling``.
    fileprivate func isToBeArchived(as path: [UInt8], _ settings: Settings) -> Bool {
        switch state {
        case .archiving: return true
        case .whole, .failed:
            switch IncomingDecision(facts(path: path, settings)) {
            case .archive: return true
            // It is looked at first.
            case .discard: return isImage == nil
            case .wait, .setAside: return false
            }
        case .foreign, .writing, .archived, .consumed, .refused, .settingAside: return false
        }
    }

    /// A file that an earlier run left.
    ///
    /// - Parameter status: What the disk says of it.
    fileprivate init(leftover status: stat, _ facts: IncomingFacts) {
        let decision = IncomingDecision(facts)
        // Its inode may be a blob already, also under a temporary name: it may have been archived
        // under another name before.
        let isShared = facts.isForced || facts.ending == .closed
        let isInterrupted = decision == .setAside(IncomingDecision.interrupted)
        let state: State =
            switch decision {
            case .wait: isShared ? .whole : .writing
            case .archive, .discard: .whole
            case .setAside(let reason): isInterrupted ? .whole : .refused(reason)
            }
        self.init(shown: status, state: state)
        isZip = facts.isZip
        // RENAME may have answered for it.
        if decision == .archive { deferral = .init(isForced: facts.isForced) }
        isLeftover =
            !facts.isForced && !facts.isZip
            && (isInterrupted || decision == .archive || decision == .discard)
    }
}
