import Glibc
import Storage
import System

extension Recovery {
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
        let descriptor = file.path.withCString {
            openat(volume.incomingDescriptor, $0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw Self.failure("cannot be opened", Errno.last) }
        let source = StagedFile(descriptor)
        // A second name in staging/commit says that it was closed and is whole.
        let digest = try digest(of: file, source)
        let isWhole = try digest.map { try volume.isStaged($0) } ?? false
        try target.requireSpace(
            for: FileIO.dataBytes(of: descriptor, bytes: source.bytes, path: file.shown))
        let copy = try target.makeUnnamedFile()
        try Self.copy(source, to: copy)
        // Somebody may have gone on with it meanwhile.
        guard !archive.observers.isInUse(incoming: file.inode, on: staging), source.isUnchanged
        else { throw Self.busy }
        try Self.makeFolders(of: file.path, in: target.incomingDescriptor)
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
        _ = file.path.withCString { unlinkat(volume.incomingDescriptor, $0, 0) }
        if isWhole, let digest { try volume.finish([digest]) }
        archive.log.notice("Took over \(file.shown) of incoming from \(volume.path).")
    }

    static let busy = ArchiveError(.storage, "A program is writing it.")

    private static func failure(_ what: String, _ error: Errno) -> ArchiveError {
        ArchiveError(.storage, "It \(what): \(error).")
    }

    private static func copy(_ source: StagedFile, to target: UnnamedFile) throws {
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
        _ = fchown(target.descriptor, status.st_uid, status.st_gid)
        _ = fchmod(target.descriptor, status.st_mode & 0o7777 | 0o600)
        _ = futimens(target.descriptor, [status.st_atim, status.st_mtim])
    }

    private static func makeFolders(of path: [UInt8], in directory: Int32) throws {
        let slash = UInt8(ascii: "/")
        var folder: [UInt8] = []
        for part in path.split(separator: slash).dropLast() {
            folder += (folder.isEmpty ? [] : [slash]) + part
            guard
                folder.withCString({ mkdirat(directory, $0, 0o755) }) == 0
                    || Errno.last.code == EEXIST
            else {
                throw failure("cannot be given a folder", Errno.last)
            }
        }
    }

    /// Whether the same bytes have the name already, as when a crash came in between.
    private static func isThere(
        _ path: [UInt8], _ source: StagedFile, in directory: Int32
    ) throws -> Bool {
        let descriptor = path.withCString {
            openat(directory, $0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        }
        guard descriptor >= 0 else { return false }
        let file = StagedFile(descriptor)
        guard file.bytes == source.bytes else { return false }
        let shown = String(decoding: path, as: UTF8.self)
        return try Digest.ofRejected(descriptor: descriptor, bytes: file.bytes, path: shown)
            == Digest.ofRejected(descriptor: source.descriptor, bytes: file.bytes, path: shown)
    }

    /// - returns: false when the name is taken
    private static func giveName(_ path: [UInt8], to file: UnnamedFile, in directory: Int32) throws
        -> Bool
    {
        // See: 'man 2 linkat', AT_SYMLINK_FOLLOW
        let result = path.withCString {
            linkat(AT_FDCWD, "/proc/self/fd/\(file.descriptor)", directory, $0, AT_SYMLINK_FOLLOW)
        }
        if result == 0 { return true }
        if Errno.last.code == EEXIST { return false }
        throw failure("cannot be given its name", Errno.last)
    }
}
