import CLinux
import Glibc
import System

// RENAME answers for a large zip archive, and for what comes from `/rejected`, when it is on disk
// here, not when it is archived: it is promised. Whoever takes its name for another file meanwhile,
// by renaming over it or by writing to it, knows nothing of that. So it keeps a name: `x (1).zip`.
//
// On disk it has one name or the other at every moment. File systems carry out the renames of a
// folder in their order, so that no crash leaves the second without the first.
extension BackedTree {
    /// What was renamed is to be archived behind the answer. Inside the lock.
    ///
    /// - returns: what there is to do
    func promise(_ number: UInt64) -> Submission? {
        guard let node = try? node(number), let next = try? submission(of: node) else { return nil }
        node.file?.state.withLock { $0.isPromised = true }
        return next
    }

    /// Gives a file another name if it is promised, before another gets its own. Inside the lock.
    ///
    /// - returns: whether it has another name now
    /// - throws: the error of `renameat2`
    func makeWay(_ node: BackedNode) throws(Errno) -> Bool {
        guard let parent = node.parent, node.file?.state.withLock({ $0.isPromised }) == true else {
            return false
        }
        move(node, to: try takeFreeName(from: node, in: parent), in: parent)
        return true
    }

    /// Gives a file that made way its name again. Inside the lock.
    func moveBack(_ node: BackedNode, to name: [UInt8], in parent: BackedNode) {
        if (try? renameOnDisk(node.path, to: path(name, in: parent))) != nil {
            move(node, to: name, in: parent)
        }
    }

    /// Makes the bytes of a file a file of their own if they are promised, before the file gets
    /// others. Inside the lock.
    ///
    /// - throws: the error of `renameat2`
    func keepApart(_ node: BackedNode, _ file: BackedFile) throws(Errno) -> BackedNode? {
        guard let parent = node.parent, file.state.withLock({ $0.isPromised }) else { return nil }
        let kept = try child(takeFreeName(from: node, in: parent), of: parent)
        kept.owner = node.owner
        let earlier = file.state.withLock {
            ($0.status, $0.isVouchedFor, $0.failures, $0.overrides)
        }
        kept.file?.state.withLock { state in
            // It is on its way maybe. Nobody listens to the answer: once more, then.
            if case .archiving = earlier.0 { state.status = .new } else { state.status = earlier.0 }
            (state.isVouchedFor, state.failures, state.overrides) = (
                earlier.1, earlier.2, earlier.3
            )
            state.isChanged = true
            state.isFrozen = true
            state.isPromised = true
            state.digest = nil
        }
        unsettled[kept.number] = kept
        return kept
    }

    /// Undoes ``keepApart(_:_:)``, when the file did not get other bytes after all. Inside the lock.
    func reunite(_ kept: BackedNode, with node: BackedNode) {
        guard (try? renameOnDisk(kept.path, to: node.path)) != nil else { return }
        remove(kept)
    }

    private func takeFreeName(from node: BackedNode, in parent: BackedNode) throws(Errno) -> [UInt8]
    {
        let source = node.path
        for number in 1...10_000 {
            let name = Self.numbered(node.name, number)
            do throws(Errno) {
                try renameOnDisk(source, to: path(name, in: parent))
                return name
            } catch {
                guard error.code == EEXIST else { throw error }
            }
        }
        throw Errno(EEXIST)
    }

    /// - throws: EEXIST when the name is taken
    private func renameOnDisk(_ source: [UInt8], to target: [UInt8]) throws(Errno) {
        let result = source.withCString { source in
            target.withCString {
                renameat2(directory, source, directory, $0, UInt32(PACSFS_RENAME_NOREPLACE))
            }
        }
        guard result == 0 else { throw .last }
    }

    /// `x.zip` as `x (1).zip`, no longer than a name may be (NAME_MAX).
    static func numbered(_ name: [UInt8], _ number: Int) -> [UInt8] {
        let dot =
            name.lastIndex(of: UInt8(ascii: ".")).flatMap {
                $0 > 0 && name.count - $0 <= 16 ? $0 : nil
            } ?? name.count
        let end = Array(" (\(number))".utf8) + name[dot...]
        var stem = name[..<dot]
        while stem.count + end.count > 255 {
            // Whole characters, as UTF-8 has them.
            while let last = stem.popLast(), last & 0xC0 == 0x80 {}
        }
        return stem + end
    }
}
