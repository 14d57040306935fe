import Glibc
import Storage
import System

extension Recovery {
    /// The most folders that a file of `/incoming` lies in.
    public static let deepest = 256

    /// Moves what still waits in `staging/incoming` of this volume to that of another, the one
    /// that `/incoming` shows: it was the one shown when the last run ended. Each file is on the
    /// other volume, with its name, before it goes from here.
    ///
    /// What has no free name there, or cannot be read, stays, and the log says so.
    ///
    /// - Parameter isStopping: Asked before each file.
    func gather(on target: Volume, unless isStopping: () -> Bool) {
        guard target !== volume else { return }
        let waiting: [IncomingFile]
        do {
            waiting = try volume.onDisk { () throws(StorageError) in
                Result { try incomingFiles() }
            }.get()
        } catch {
            return archive.log.error(
                "What waits in incoming of \(volume.path) cannot be listed: \(error)")
        }
        for file in waiting where !isStopping() {
            do { try move(file, to: target) } catch {
                archive.log.error("\(file.shown) of incoming stays on \(volume.path): \(error)")
            }
        }
        try? removeEmptyFolders()
    }

    func move(_ file: IncomingFile, to target: Volume) throws {
        try target.onDisk(reading: volume.calls) { () throws(StorageError) in
            Result { try moveNow(file, to: target) }
        }.get()
    }

    private func moveNow(_ file: IncomingFile, to target: Volume) throws {
        guard file.path.count(where: { $0 == UInt8(ascii: "/") }) <= Self.deepest else {
            throw Self.failure("is nested too deep", Errno(ENAMETOOLONG))
        }
        let source: StagedFile
        do throws(Errno) {
            source = try StagedFile(at: volume.incomingDescriptor, file.path)
        } catch {
            throw Self.failure("cannot be opened", error)
        }
        // A second name in staging/commit says that it was closed and is whole.
        let digest = try digest(of: file, source)
        let isWhole = try digest.map { try volume.isStaged($0) } ?? false
        try target.requireSpace(
            for: FileIO.dataBytes(of: source.descriptor, bytes: source.bytes, path: file.shown))
        let copy = try target.makeUnnamedFile()
        try Self.copy(source, to: copy)
        // Somebody may have gone on with it meanwhile.
        guard !archive.observers.isInUse(incoming: file.inode, on: staging), source.isUnchanged
        else { throw Self.busy }
        try Self.makeFolders(
            of: file.path, in: target.incomingDescriptor, like: volume.incomingDescriptor)
        guard
            try Self.giveName(file.path, to: copy, in: target.incomingDescriptor)
                || Self.isThere(file.path, source, in: target.incomingDescriptor)
        else {
            throw Self.failure(
                "cannot be moved to \(target.path), where another has its name", Errno(EEXIST))
        }
        if isWhole, let digest {
            try target.stageLink(from: copy.descriptor, as: digest, bytes: source.bytes)
        }
        archive.observers.tookOver(incoming: file.path)
        try target.makeIncomingDurable(copy.descriptor)
        try? PathDescent.remove(file.path, below: volume.incomingDescriptor)
        if isWhole, let digest { try volume.finish([digest]) }
        archive.log.notice("Took over \(file.shown) of incoming from \(volume.path).")
    }

    static let busy = ArchiveError(.storage, "A program is writing it.")

    private static func failure(_ what: String, _ error: Errno) -> ArchiveError {
        ArchiveError(.storage, "It \(what): \(error).")
    }

    static func copy(_ source: StagedFile, to target: UnnamedFile) throws {
        do throws(FileCopy.Failure) {
            try FileCopy.copy(
                from: source.descriptor, to: target.descriptor, bytes: source.bytes)
        } catch {
            switch error {
            case .reading(let error): throw failure("cannot be read", error)
            case .writing(let error): throw failure("cannot be copied", error)
            case .wrongLength: throw busy
            }
        }
        var status = stat()
        guard fstat(source.descriptor, &status) == 0 else { return }
        giveAccess(status, to: target.descriptor)
        _ = futimens(target.descriptor, [status.st_atim, status.st_mtim])
    }

    /// Makes the folders that a path leads through, for the owners that they have elsewhere.
    ///
    /// - Parameter original: The directory where the path leads through such folders.
    static func makeFolders(
        of path: [UInt8], in directory: Int32, like original: Int32
    ) throws {
        do throws(Errno) {
            var (folder, model): (SharedDescriptor?, SharedDescriptor?)
            for part in path.split(separator: UInt8(ascii: "/")).dropLast() {
                let (name, above) = (Array(part), folder?.number ?? directory)
                let isNew = try isMade(name, in: above)
                let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
                folder = try SharedDescriptor(at: above, name, flags: flags)
                model = try SharedDescriptor(at: model?.number ?? original, name, flags: flags)
                if isNew, let folder, let model {
                    giveAccess(try model.status(), to: folder.number)
                }
            }
        } catch {
            throw failure("cannot be given a folder", error)
        }
    }

    /// - Returns: False when it was there.
    private static func isMade(_ name: [UInt8], in folder: Int32) throws(Errno) -> Bool {
        do throws(Errno) {
            try systemCall { name.withCString { mkdirat(folder, $0, 0o755) } }
            return true
        } catch {
            guard error.code == EEXIST else { throw error }
            return false
        }
    }

    /// Gives a file the owner and the mode of another, as far as this process may.
    private static func giveAccess(_ status: stat, to target: Int32) {
        _ = fchown(target, status.st_uid, status.st_gid)
        _ = fchmod(target, status.st_mode & 0o7777 | 0o600)
    }

    /// Whether the same bytes have the name already, as when a crash came in between.
    static func isThere(
        _ path: [UInt8], _ source: StagedFile, in directory: Int32
    ) throws -> Bool {
        guard let file = try? StagedFile(at: directory, path) else { return false }
        guard file.bytes == source.bytes else { return false }
        let shown = String(decoding: path, as: UTF8.self)
        return try Digest.ofRejected(descriptor: file.descriptor, bytes: file.bytes, path: shown)
            == Digest.ofRejected(descriptor: source.descriptor, bytes: file.bytes, path: shown)
    }

    /// - returns: false when the name is taken
    static func giveName(_ path: [UInt8], to file: UnnamedFile, in directory: Int32) throws
        -> Bool
    {
        // See: 'man 2 linkat', AT_SYMLINK_FOLLOW
        do throws(Errno) {
            try PathDescent.with(path, below: directory) { (directory, path) throws(Errno) in
                _ = try systemCall {
                    path.withCString {
                        linkat(
                            AT_FDCWD, "/proc/self/fd/\(file.descriptor)", directory, $0,
                            AT_SYMLINK_FOLLOW)
                    }
                }
            }
            return true
        } catch {
            if error.code == EEXIST { return false }
            throw failure("cannot be given its name", error)
        }
    }
}
