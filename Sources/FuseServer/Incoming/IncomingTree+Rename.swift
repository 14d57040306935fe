import Archive
import CLinux
import Glibc
import System

extension IncomingTree {
    /// Where a RENAME goes.
    struct Target {
        var name: [UInt8]
        var parent: UInt64
        /// RENAME_NOREPLACE.
        var mustBeNew: Bool

        var place: DirectoryTree.Place { .init(name: name, directory: parent) }
    }

    /// RENAME. A file that gets its final name is archived first, so that rsync, which writes
    /// to a temporary name, hears from `rename` what others hear from `close`; but a large zip
    /// archive is archived afterwards.
    func rename(
        _ name: [UInt8], in parent: UInt64, to target: Target, replyingTo reply: DeferredReply
    ) {
        let source = Place(name: name, directory: parent)
        do throws(Errno) {
            try requireOpenForNames([target.place])
            let (number, file) = try findRenamed(source, to: target)
            guard let file, file.canBeArchived || file.isUnderWay || file.bytes.error != nil else {
                return reply.answer(Result { () throws(Errno) in try move(source, to: target) })
            }
            let zip = try withTurn(of: number) { () throws(Errno) in try largeZip(number) }
            if let zip { return rename(zip, number, source, to: target, replyingTo: reply) }
            let path = locked { $0.tree.path(of: target.place) }
            try startArchiving(number, as: path) { [self] result in
                guard case .success = result else { return reply.answer(result) }
                // The thread of the answers does not wait for disks.
                renames.start(on: staging.disk, replyingTo: reply) { [self] in
                    reply.answer(Result { () throws(Errno) in try move(source, to: target) })
                }
            }
        } catch {
            reply.answer(.failure(error))
        }
    }

    /// Finds what is renamed.
    ///
    /// - Returns: Its number, and the file if it is one that may have to be archived before it gets
    ///   its new name.
    private func findRenamed(
        _ source: Place, to target: Target
    ) throws(Errno) -> (UInt64, IncomingFile?) {
        let isKnown = locked { contents in
            contents.tree.child(source).flatMap { contents.files[$0] }?.isOurs == true
        }
        if !isKnown { try find(source) { _, _, _ in } }
        return try locked { (contents) throws(Errno) in
            guard let number = contents.tree.child(source) else {
                // It is called otherwise, but for the case.
                return (0, nil)
            }
            contents.touch(number, now: clock.now)
            // Somebody who still writes to it closes it later, and waits then.
            guard let file = contents.files[number], file.writers.isEmpty,
                !TemporaryName.matches(path: contents.tree.path(of: target.place))
            else { return (number, nil) }
            return (number, file)
        }
    }

    /// Moves a name on disk and in the tree.
    func move(_ source: Place, to target: Target) throws(Errno) {
        try reserving([source, target.place]) { (folders) throws(Errno) in
            let (source, status) = try look(at: source, in: folders[0])
            let number = meet(source, status, in: folders[0])
            let found = try? look(at: target.place, in: folders[1])
            if found != nil, target.mustBeNew { throw Errno(EEXIST) }
            // What is replaced may be called the same in another case.
            let goal = found.map { $0.0 == source ? target.place : $0.0 } ?? target.place
            let replaced: (number: UInt64, status: stat)? = found.flatMap { place, status in
                place == source ? nil : (meet(place, status, in: folders[1]), status)
            }
            let isDirectory = status.st_mode & S_IFMT == S_IFDIR
            if isDirectory { lock.beginMove(of: number) }
            defer { if isDirectory { lock.endMove(of: number) } }
            if isDirectory, source.directory != target.parent {
                try requireDepth(of: number, at: source, in: folders[0], movedTo: target.parent)
            }
            var kept: Place?
            if let replaced, replaced.status.st_ino == status.st_ino {
                // rename(2) does nothing when both names are the same inode, as a file and its
                // archived copy of the same bytes may be.
                _ = goal.name.withCString { unlinkat(folders[1].descriptor, $0, 0) }
            } else if let replaced, !isDirectory {
                kept = try renameAside(replaced.number, in: folders[1])
            }
            let result = source.name.withCString { from in
                goal.name.withCString {
                    renameat(folders[0].descriptor, from, folders[1].descriptor, $0)
                }
            }
            guard result == 0 else {
                let error = Errno.last
                if let kept { moveBack(kept, to: goal, in: folders[1]) }
                throw error
            }
            try locked { (contents) throws(Errno) in
                if let replaced, kept == nil {
                    let final = try contents.final(replaced.number, replaced.status, self)
                    contents.remove(replaced.number)
                    contents.tree.update(replaced.number) { $0.finalAttributes = final }
                }
                contents.touch(source.directory, now: clock.now)
                contents.move(number, to: goal)
                contents.touch(number, now: clock.now)
            }
        }
    }

    /// - Throws: `ENAMETOOLONG` when the directories of a directory would lie too deep.
    private func requireDepth(
        of number: UInt64, at source: Place, in folder: OpenFolder, movedTo parent: UInt64
    ) throws(Errno) {
        // As long as not all that lies there is known, the disk knows more.
        var levels = 0
        if locked({ $0.isAddingLeftovers }) {
            let directory = try SharedDescriptor(
                at: folder.descriptor, source.name, flags: O_RDONLY | O_DIRECTORY)
            levels = try Errno.from { try FolderWalk.levels(of: directory.number) }
        }
        try locked { (contents) throws(Errno) in
            try contents.tree.requireDepth(
                of: max(levels, try contents.tree.node(number).levels), in: parent,
                from: contents.tree.depth(of: source.directory))
        }
    }

    // MARK: Deferred files

    // RENAME answers for a large zip archive, and for what comes from `/rejected`, when it is on
    // disk here, not when it is archived: archiving is deferred. A program that takes its name for
    // another file meanwhile, by renaming over it or by writing to it, knows nothing of that. So
    // the deferred file gets another name: `x (1).zip`.
    //
    // On disk it has one name or the other at every moment. File systems carry out the renames of a
    // folder in their order, so that no crash leaves the second without the first.

    /// Archives a file whose RENAME was answered, or is about to be.
    func archiveDeferred(_ number: UInt64) {
        locked { contents in contents.deferArchiving(of: number) }
        archiveInBackground(number)
    }

    /// Gives a deferred file another name before another file gets its own, which the thread has
    /// reserved.
    ///
    /// - Returns: The name it has now; `nil` when it is not deferred.
    /// - Throws: The error of `renameat2(2)`.
    func renameAside(_ number: UInt64, in folder: OpenFolder) throws(Errno) -> Place? {
        guard locked({ $0.files[number]?.deferral }) != nil else { return nil }
        return try takeFreeName(from: number, in: folder) { contents, place in
            contents.move(number, to: place)
        }
    }

    /// Gives a file that made way its name again.
    func moveBack(_ place: Place, to goal: Place, in folder: OpenFolder) {
        guard (try? renameOnDisk(place.name, to: goal.name, in: folder)) != nil else { return }
        locked { contents in
            if let number = contents.tree.child(place) { contents.move(number, to: goal) }
        }
    }

    /// Makes the bytes of a deferred file a file of their own, before the file gets others; the
    /// thread has its turn, and has reserved its name.
    ///
    /// - Returns: The number of the new file; `nil` when it is not deferred.
    /// - Throws: The error of `renameat2(2)`.
    func detachDeferred(_ number: UInt64, in folder: OpenFolder) throws(Errno) -> UInt64? {
        guard let file = locked({ $0.files[number] }), file.deferral != nil else { return nil }
        var kept: UInt64?
        _ = try takeFreeName(from: number, in: folder) { contents, place in
            let new = contents.meet(place, file.shown, now: clock.now)
            contents.add(file.detached(), as: new)
            kept = new
        }
        return kept
    }

    /// Undoes ``detachDeferred(_:in:)``, when the file did not get other bytes after all.
    func reattach(_ kept: UInt64, with number: UInt64, in folder: OpenFolder) {
        let names = locked { contents in
            (contents.tree.place(of: kept)?.name, contents.tree.place(of: number)?.name)
        }
        guard let (from, to) = names as? ([UInt8], [UInt8]),
            (try? renameOnDisk(from, to: to, in: folder)) != nil
        else { return }
        locked { $0.remove(kept) }
    }

    /// Renames what has a name that the thread has reserved to a name that nothing has.
    ///
    /// - Parameter body: Called under the lock, with the new name, when that is so on disk.
    private func takeFreeName(
        from number: UInt64, in folder: OpenFolder, _ body: (inout IncomingContents, Place) -> Void
    ) throws(Errno) -> Place {
        guard let old = locked({ $0.tree.place(of: number) }) else { throw Errno(ESTALE) }
        for count in 1...10_000 {
            let place = Place(name: Self.numbered(old.name, count), directory: old.directory)
            // Nobody waits for a name while having another: the next one will do as well.
            guard try lock.reserveIfFree(place) else { continue }
            defer { lock.release([place]) }
            do throws(Errno) {
                try renameOnDisk(old.name, to: place.name, in: folder)
                locked { body(&$0, place) }
                return place
            } catch {
                guard error.code == EEXIST else { throw error }
            }
        }
        throw Errno(EEXIST)
    }

    /// - Throws: `EEXIST` when the name is taken, or another error of `renameat2(2)`.
    private func renameOnDisk(
        _ name: [UInt8], to other: [UInt8], in folder: OpenFolder
    ) throws(Errno) {
        let result = name.withCString { name in
            other.withCString {
                renameat2(
                    folder.descriptor, name, folder.descriptor, $0,
                    UInt32(PACSFS_RENAME_NOREPLACE))
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

extension IncomingContents {
    mutating func deferArchiving(of number: UInt64) {
        try? update(number) { file in
            guard file.canBeArchived, file.deferral == nil else { return }
            file.deferral = .init(isForced: false)
        }
    }

    /// What programs that have a removed directory open see of it; `nil` for a file.
    fileprivate func final(
        _ number: UInt64, _ status: stat, _ tree: IncomingTree
    ) throws(Errno) -> stat? {
        let node = try self.tree.node(number)
        guard node.isDirectory else { return nil }
        var final = tree.shown(status, node)
        final.st_nlink = 0
        return final
    }
}
