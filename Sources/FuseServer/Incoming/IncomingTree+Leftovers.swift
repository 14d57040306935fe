import Archive
import Glibc
import System

// Files that lie in /incoming without having been written through this tree.
extension IncomingTree {
    /// Takes up what an earlier run left and recovery could do nothing about: whole files that
    /// could not be archived are tried again, those under temporary names wait for their
    /// rename, and others, whose writer never closed them, are set aside.
    func takeUpLeftovers() {
        var folders = [root]
        while let number = folders.popLast() {
            guard
                let folder = try? folder(number),
                let entries = try? DirectorySnapshot.entries(
                    of: folder.descriptor, isHidden: HiddenName.matches)
            else { continue }
            for entry in entries {
                let place = Place(name: entry.name, directory: number)
                guard let (child, status) = try? meet(place) else { continue }
                if status.st_mode & S_IFMT == S_IFDIR {
                    folders.append(child)
                } else {
                    takeUp(child, at: place, status)
                }
            }
        }
    }

    /// Takes up a file that was brought here from another volume, and the folders it is in.
    ///
    /// - Parameter path: Below the root.
    func takeUp(_ path: [UInt8]) {
        var number = root
        for name in path.split(separator: UInt8(ascii: "/")) {
            let place = Place(name: Array(name), directory: number)
            guard let (child, status) = try? meet(place) else { return }
            number = child
            if status.st_mode & S_IFMT == S_IFREG { takeUp(child, at: place, status) }
        }
    }

    private func meet(_ place: Place) throws(Errno) -> (UInt64, stat) {
        try find(place) { (state, number, status) in
            if status.st_mode & S_IFMT == S_IFDIR { state.clearWhenQuiet(number) }
            return (number, status)
        }
    }

    private func takeUp(_ number: UInt64, at place: Place, _ status: stat) {
        // What was written here meanwhile is looked after already.
        guard locked({ $0.files[number] }) == nil else { return }
        // A second name, in staging/commit, says that it was closed and is whole.
        var facts = IncomingFacts(
            path: locked { $0.tree.path(of: place) }, settings: archive.settings,
            bytes: Int64(status.st_size), ending: status.st_nlink > 1 ? .closed : .interrupted)
        facts.isForced = ForcedFile.isMarked(status.st_mode)
        // Whether a zip archive is whole is seen when it is unpacked.
        facts.isZip =
            (try? openOnDisk(number, flags: O_RDONLY)).map { Archive.isZip($0.number) } ?? false
        var file = IncomingFile(shown: status, state: .leftover(facts))
        file.isZip = facts.isZip
        // RENAME may have answered for it.
        if facts.isForced || IncomingDecision(facts) == .archive {
            file.deferral = .init(isForced: facts.isForced)
        }
        locked { state in
            guard state.files[number] == nil, state.tree.place(of: number) != nil else { return }
            state.add(file, as: number)
            // It has been quiet long enough.
            if IncomingDecision(facts) != .wait { state.touch(number, now: 0) }
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

extension IncomingFile.State {
    /// Of a file that an earlier run left.
    fileprivate static func leftover(_ facts: IncomingFacts) -> Self {
        // Its inode may be a blob already, also under a temporary name: it may have been archived
        // under another name before.
        let isShared = facts.isForced || facts.ending == .closed
        switch IncomingDecision(facts) {
        case .wait, .discard: return isShared ? .whole : .writing
        case .archive: return .whole
        case .setAside(let reason): return .refused(reason)
        }
    }
}
