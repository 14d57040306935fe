import Archive
import Glibc

extension BackedTree {
    /// Takes up what an earlier run left and recovery could do nothing about: whole files that
    /// could not be archived are tried again, those under temporary names wait for their
    /// rename, and others, whose writer never closed them, are set aside.
    func takeUpLeftovers() {
        locked { takeUp(in: root) }
    }

    private func linkCount(of node: BackedNode) -> UInt {
        var status = stat()
        let found = node.path.withCString { fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW) }
        return found == 0 ? UInt(status.st_nlink) : 0
    }

    private func takeUp(in directory: BackedNode) {
        guard let entries = try? names(in: directory) else { return }
        for name in entries {
            guard let node = try? child(name, of: directory) else { continue }
            if let file = node.file {
                unsettled[node.number] = node
                // The second name is in staging/commit: it was closed, and is whole.
                let isWhole = linkCount(of: node) > 1
                if node.isTemporary {
                    file.state.withLock { state in
                        state.isChanged = true
                        // It may have been archived under another name before.
                        state.isFrozen = isWhole
                        state.digest = nil
                    }
                    continue
                }
                // Whether a zip archive is whole is seen when it is unpacked.
                let isZip = (try? openDescriptor(of: node, file, flags: O_RDONLY)).map { Archive.isZip($0.number) } ?? false
                file.state.withLock { state in
                    state.isChanged = isWhole || isZip
                    // Its inode may be a blob already.
                    state.isFrozen = isWhole
                    state.digest = nil
                    state.lastUse = 0
                    if !isWhole, !isZip { state.status = .refused(Recovery.interrupted) }
                }
            } else {
                takeUp(in: node)
                node.hadFiles = true
                vanishing[node.number] = node
            }
        }
    }
}
