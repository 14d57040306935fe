import Archive
import Glibc
import System

extension BackedTree {
    /// Takes up what an earlier run left and recovery could do nothing about: whole files that
    /// could not be archived are tried again, those under temporary names wait for their
    /// rename, and others, whose writer never closed them, are set aside.
    func takeUpLeftovers() {
        locked { takeUp(in: root) }
    }

    /// Takes up a file that was brought here from another volume, and the folders it is in.
    func takeUp(_ path: [UInt8]) {
        locked {
            var node = root
            for name in path.split(separator: UInt8(ascii: "/")) {
                guard let child = try? child(Array(name), of: node) else { return }
                if child.isDirectory {
                    child.hadFiles = true
                    vanishing[child.number] = child
                }
                node = child
            }
            if let file = node.file { takeUp(node, file) }
        }
    }

    /// Whether a file is open, or on its way into the archive; by its inode on the volume.
    func isInUse(inode: UInt64) -> Bool {
        locked {
            unsettled.values.contains { node in
                guard node.backingInode == inode, let file = node.file else { return false }
                return file.state.withLock { state in
                    if case .archiving = state.status { return true }
                    return state.handles > 0
                }
            }
        }
    }

    private func takeUp(in directory: BackedNode) {
        guard let entries = try? names(in: directory) else { return }
        for name in entries {
            guard let node = try? child(name, of: directory) else { continue }
            if let file = node.file {
                takeUp(node, file)
            } else {
                takeUp(in: node)
                node.hadFiles = true
                vanishing[node.number] = node
            }
        }
    }

    private func takeUp(_ node: BackedNode, _ file: BackedFile) {
        // One that was written here meanwhile is looked after already.
        guard unsettled[node.number] == nil else { return }
        unsettled[node.number] = node
        var status = stat()
        _ = node.path.withCString { fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }
        // The second name is in staging/commit: it was closed, and is whole.
        let isWhole = status.st_nlink > 1
        let isVouchedFor = VouchedFile.isMarked(status.st_mode)
        if node.isTemporary {
            file.state.withLock { state in
                state.isChanged = true
                // It may have been archived under another name before.
                state.isFrozen = isWhole || isVouchedFor
                state.isVouchedFor = isVouchedFor
                state.isPromised = isVouchedFor
                state.digest = nil
            }
            return
        }
        // Whether a zip archive is whole is seen when it is unpacked.
        let isZip =
            (try? openDescriptor(of: node, file, flags: O_RDONLY)).map { Archive.isZip($0.number) }
            ?? false
        file.state.withLock { state in
            let isTaken = isWhole || isZip || isVouchedFor
            state.isChanged = isTaken
            // Its inode may be a blob already.
            state.isFrozen = isTaken
            state.isVouchedFor = isVouchedFor
            // RENAME may have answered for it.
            state.isPromised = isTaken
            state.digest = nil
            state.lastUse = 0
            if !isTaken { state.status = .refused(Recovery.interrupted) }
        }
    }
}
