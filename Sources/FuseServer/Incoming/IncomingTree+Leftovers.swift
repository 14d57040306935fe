import Archive
import Glibc
import System

// Files that lie in /incoming without having been written through this tree.
//
// Programs may use /incoming before all of them are taken up: what a program comes to first is
// taken up then. To look at a file costs the same whatever its size; whether it is whole is read
// when it is offered to the archive.
extension IncomingTree {
    /// From now on files that are met are taken up, until ``takeUpLeftovers()`` has met all.
    func beginTakingUp() { locked { $0.isTakingUp = true } }

    /// Takes up what an earlier run left: whole files are archived, those under temporary names
    /// wait for their rename, and others, whose writer never closed them, are set aside.
    func takeUpLeftovers() {
        beginTakingUp()
        var folders = [(number: root, depth: 0)]
        while let (number, depth) = folders.popLast() {
            guard
                let folder = try? folder(number),
                let entries = try? DirectorySnapshot.entries(
                    of: folder.descriptor, isHidden: HiddenName.matches)
            else { continue }
            var hasDeeper = false
            for entry in entries {
                if locked({ $0.stopsTakingUp }) { return }
                if entry.isDirectory, depth == DirectoryTree.deepest {
                    hasDeeper = true
                    continue
                }
                let place = Place(name: entry.name, directory: number)
                // Each by itself: the disk is given up when one of them takes too long.
                let taken = try? staging.onDisk { [self] in try? takeUp(place) }
                guard let child = taken ?? nil else { continue }
                if child.isDirectory { folders.append((child.number, depth + 1)) }
            }
            if hasDeeper { leave(number, folder) }
        }
        locked { $0.isTakingUp = false }
    }

    /// Leaves what is not taken up yet to the next start.
    func stopTakingUp() { locked { $0.stopsTakingUp = true } }

    /// Leaves alone what lies too deep, but for folders without a file. No client has made it.
    private func leave(_ number: UInt64, _ folder: Folder) {
        if archive.removeEmptyFolders(below: folder.descriptor) { return }
        let path = IngestSource.incoming(locked { $0.tree.path(of: number) })
        archive.log.error(
            """
            What lies below \(path.shown) is nested deeper than \(DirectoryTree.deepest) folders, \
            and was left alone. Stop pacsfs, move it up in staging/incoming of the volume, and \
            start pacsfs again.
            """)
    }

    /// Takes up a file that was brought here from another volume, and the folders it is in.
    ///
    /// - Parameter path: Below the root.
    func takeUp(_ path: [UInt8]) {
        var number = root
        for name in path.split(separator: UInt8(ascii: "/")) {
            guard let child = try? takeUp(Place(name: Array(name), directory: number)) else {
                return
            }
            number = child.number
        }
    }

    private func takeUp(
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
    ///   brought here; otherwise that is so while not all are taken up.
    func meet(
        _ place: Place, _ status: stat, in folder: Folder, isLeftover: Bool = false
    ) -> UInt64 {
        let (number, isNew) = locked { state in
            let number = state.meet(place, status, now: clock.now)
            return (number, (isLeftover || state.isTakingUp) && state.files[number] == nil)
        }
        if isNew, status.st_mode & S_IFMT == S_IFREG {
            takeUp(number, at: place, status, in: folder)
        }
        return number
    }

    private func takeUp(_ number: UInt64, at place: Place, _ status: stat, in folder: Folder) {
        // A second name, in staging/commit, says that it was closed and is whole.
        var facts = IncomingFacts(
            path: locked { $0.tree.path(of: place) }, settings: archive.settings,
            bytes: Int64(status.st_size), ending: status.st_nlink > 1 ? .closed : .interrupted)
        facts.isForced = ForcedFile.isMarked(status.st_mode)
        // Whether a zip archive is whole is seen when it is unpacked.
        let file = try? SharedDescriptor(
            at: folder.descriptor, place.name, flags: O_RDONLY | O_NONBLOCK)
        facts.isZip = file.map { Archive.isZip($0.number) } ?? false
        locked { state in
            guard state.files[number] == nil, state.tree.place(of: number) != nil else { return }
            state.add(IncomingFile(leftover: status, facts), as: number)
            // It has been quiet long enough.
            if IncomingDecision(facts) != .wait { state.touch(number, now: 0) }
        }
    }

    /// How many files are to be archived or set aside, those included that are not taken up yet.
    var pending: Int {
        let (known, isTakingUp) = locked { ($0.pending, $0.isTakingUp) }
        return isTakingUp ? max(known, archive.filesWaiting(on: staging)) : known
    }

    /// Files that are being written or need nothing more, by their numbers on the volume.
    var inodesNotWaiting: Set<UInt64> {
        locked { state in
            var inodes: Set<UInt64> = []
            for (number, file) in state.files where !file.isPending || !file.writers.isEmpty {
                if let inode = (try? state.tree.node(number))?.inode { inodes.insert(inode) }
            }
            return inodes
        }
    }

    /// Whether a file is open, or on its way into the archive.
    ///
    /// - Parameter inode: On the volume.
    func isInUse(inode: UInt64) -> Bool {
        locked { state in
            state.files.contains { number, file in
                guard file.handles > 0 || file.isUnderWay else { return false }
                return (try? state.tree.node(number))?.inode == inode
            }
        }
    }
}

extension IncomingFile {
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
