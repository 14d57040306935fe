import Archive
import CFuse3
import CLinux
import Glibc
import Storage
import System

// Whatever changes the bytes of a file. Each change takes the turn of the file, and gives the file
// an inode of its own first if it shares one with the archive.
extension IncomingTree {
    // MARK: Writing

    /// WRITE: writes all of `bytes`. What cannot be written is noted; such a file is not archived.
    ///
    /// - Throws: `EBADF`, `ENOSPC`, and the errors of `pwrite(2)`.
    func write(
        _ handle: IncomingHandle, _ bytes: UnsafeRawBufferPointer, offset: Int
    ) throws(Errno) -> Int {
        guard handle.canWrite else { throw Errno(EBADF) }
        if bytes.isEmpty { return 0 }
        let range = offset..<offset + bytes.count
        do throws(Errno) {
            try checkRoom(toWrite: range, of: handle.number)
        } catch {
            locked { contents in
                try? contents.update(handle.number) { $0.bytes.failed(range, error) }
            }
            throw error
        }
        return try write(bytes, range, to: handle)
    }

    private func write(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, to handle: IncomingHandle
    ) throws(Errno) -> Int {
        let number = handle.number
        let writer = ObjectIdentifier(handle)
        var begun = try takeTurn(of: number) { (contents) throws(Errno) in
            try contents.update(number) { $0.beginWrite(at: range.lowerBound, by: writer) }
        }
        defer { lock.endTurn(of: number) }
        do throws(Errno) {
            if begun == nil {
                try makeWritable(number, keepingBytes: true)
                begun = try locked { (contents) throws(Errno) in
                    try contents.update(number) { $0.beginWrite(at: range.lowerBound, by: writer) }
                }
            }
            guard let begun else { throw Errno(EBADF) }
            let descriptor = begun.0
            var digest = begun.1
            try FileIO.write(descriptor.number, bytes, at: Int64(range.lowerBound))
            digest?.update(bytes)
            let now = Self.now
            try locked { (contents) throws(Errno) in
                try contents.update(number) { file in
                    file.bytes.wrote(range, digest)
                    file.grow(range, at: now)
                }
            }
            return bytes.count
        } catch {
            locked { contents in
                try? contents.update(number) { $0.bytes.failed(range, error) }
            }
            throw error
        }
    }

    /// CLOCK_REALTIME.
    static var now: timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time
    }

    /// Checks at once what makes a hole, and every few megabytes what goes on from the end.
    ///
    /// - Throws: `ENOSPC` when the file could not be kept with the size that it would have.
    private func checkRoom(toWrite range: Range<Int>, of number: UInt64) throws(Errno) {
        let size = locked { $0.files[number]?.shown.st_size } ?? 0
        if range.lowerBound > size { return try checkRoom(to: range.upperBound) }
        try room.take(range.count) { () throws(Errno) in
            try Errno.from {
                try archive.checkRoom(
                    for: Int64(max(size, range.upperBound)), growingOn: staging)
            }
        }
    }

    /// - Throws: `ENOSPC` when a file of this size could not be kept.
    private func checkRoom(to size: Int) throws(Errno) {
        try Errno.from { try archive.checkRoom(for: Int64(size)) }
    }

    // MARK: Size

    /// SETATTR with a size, and OPEN with O_TRUNC.
    func truncate(_ number: UInt64, to size: Int) throws(Errno) {
        if size > 0 { try checkRoom(to: size) }
        try withTurn(of: number) { () throws(Errno) in
            let descriptor = try makeWritable(number, keepingBytes: size > 0)
            let before = try descriptor.status().st_size
            guard ftruncate(descriptor.number, size) == 0 else { throw .last }
            let after = try descriptor.status()
            try locked { (contents) throws(Errno) in
                try contents.update(number) { file in
                    file.write()
                    if size == 0 {
                        file.bytes = WrittenBytes()
                    } else {
                        file.bytes.resized(from: before, to: size)
                    }
                    file.refresh(after)
                }
                contents.touch(number, now: clock.now)
            }
        }
    }

    /// Modes of fallocate(2), from linux/falloc.h, that the kernel passes on.
    private enum AllocationMode {
        static let keepSize: Int32 = 1
        static let punchHole: Int32 = 2
        static let zeroRange: Int32 = 16
    }

    /// FALLOCATE.
    ///
    /// - Throws: `EOPNOTSUPP` for modes that move bytes, or that the file system of the volume does
    ///   not support; `ENOSPC` for a size that could not be kept.
    func allocate(
        _ handle: IncomingHandle, mode: Int32, offset: Int, length: Int
    ) throws(Errno) {
        guard handle.canWrite else { throw Errno(EBADF) }
        let clears = mode & (AllocationMode.punchHole | AllocationMode.zeroRange) != 0
        let keepsSize = mode & AllocationMode.keepSize != 0
        let known = AllocationMode.keepSize | AllocationMode.punchHole | AllocationMode.zeroRange
        guard mode & ~known == 0 else { throw Errno(EOPNOTSUPP) }
        if mode & AllocationMode.punchHole == 0 { try checkRoom(to: offset + length) }
        let number = handle.number
        try withTurn(of: number) { () throws(Errno) in
            let descriptor = try makeWritable(number, keepingBytes: true)
            let before = try descriptor.status().st_size
            while fallocate(descriptor.number, mode, off_t(offset), off_t(length)) != 0 {
                guard errno == EINTR else { throw .last }
            }
            let after = try descriptor.status()
            try locked { (contents) throws(Errno) in
                try contents.update(number) { file in
                    file.refresh(after)
                    guard clears || !keepsSize else { return }
                    file.write()
                    if clears { file.bytes.changed() }
                    if !keepsSize, offset + length > before {
                        file.bytes.resized(from: before, to: offset + length)
                    }
                }
            }
        }
    }

    // MARK: An inode of its own

    /// Makes the inode of a file its writer's, for a thread that has its turn.
    ///
    /// - Parameter keepingBytes: False when all bytes are to be cut off.
    /// - Returns: A descriptor that may be written to.
    /// - Throws: `ESTALE` for a file without a name that is not open, `ENOSPC` when there is no
    ///   room for a copy, and errors of the calls.
    @discardableResult
    private func makeWritable(
        _ number: UInt64, keepingBytes: Bool
    ) throws(Errno) -> SharedDescriptor {
        let file = try locked { (contents) throws(Errno) -> IncomingFile in
            guard let file = contents.files[number] else { throw Errno(ESTALE) }
            return file
        }
        if file.holder == .archive { return try copy(number, file, keepingBytes: keepingBytes) }
        let descriptor: SharedDescriptor
        if let open = file.descriptor, file.isWritable {
            descriptor = open
        } else {
            descriptor = try openOnDisk(number, flags: O_RDWR)
            try locked { (contents) throws(Errno) in
                contents.discard(try contents.update(number) { $0.adopt(descriptor) })
            }
        }
        if file.holder == .daemon { Self.give(descriptor, back: file.shown) }
        try locked { (contents) throws(Errno) in try contents.update(number) { $0.write() } }
        return descriptor
    }

    /// Gives an inode that was the daemon's its owner, mode and times.
    private static func give(_ descriptor: SharedDescriptor, back shown: stat) {
        if Capabilities.canGiveFilesAway {
            _ = fchown(descriptor.number, shown.st_uid, shown.st_gid)
        }
        _ = fchmod(descriptor.number, shown.st_mode & 0o7777 | 0o600)
        _ = futimens(descriptor.number, [shown.st_atim, shown.st_mtim])
    }

    /// Puts a copy in the place of a file whose inode is the archive's: reflinked where the file
    /// system can, copied within the kernel elsewhere.
    private func copy(
        _ number: UInt64, _ file: IncomingFile, keepingBytes: Bool
    ) throws(Errno) -> SharedDescriptor {
        let volume = staging.incomingDescriptor
        if keepingBytes { try checkRoom(to: file.shown.st_size) }
        let source = try readable(number, file)
        let temporary = HiddenName.prefix + Array(String(number).utf8)
        let copy = try SharedDescriptor(at: volume, temporary, flags: O_RDWR | O_CREAT | O_TRUNC)
        do throws(Errno) {
            if keepingBytes { try Self.copyBytes(source, to: copy) }
            Self.give(copy, back: file.shown)
            let status = try copy.status()
            try replace(number, by: temporary, status)
            try locked { (contents) throws(Errno) in
                contents.tree.update(number) { $0.inode = UInt64(status.st_ino) }
                contents.discard(
                    try contents.update(number) { file in
                        file.shown.st_ino = status.st_ino
                        file.bytes.changed()
                        file.write()
                        return file.adopt(copy)
                    })
            }
            return copy
        } catch {
            _ = temporary.withCString { unlinkat(volume, $0, 0) }
            throw error
        }
    }

    private static func copyBytes(
        _ source: SharedDescriptor, to target: SharedDescriptor
    ) throws(Errno) {
        let bytes = Int64(try source.status().st_size)
        do throws(FileCopy.Failure) {
            try FileCopy.copy(from: source.number, to: target.number, bytes: bytes)
        } catch {
            switch error {
            case .reading(let error), .writing(let error): throw error
            case .wrongLength: throw Errno(EIO)
            }
        }
    }

    /// Gives the name of a file to the copy of it; to nothing when it has no name any more.
    private func replace(
        _ number: UInt64, by temporary: [UInt8], _ status: stat
    ) throws(Errno) {
        let volume = staging.incomingDescriptor
        while let place = locked({ $0.tree.place(of: number) }) {
            let isDone = try reserving([place]) { (folders) throws(Errno) in
                guard locked({ $0.tree.place(of: number) }) == place else { return false }
                let kept = try detachDeferred(number, in: folders[0])
                let result = temporary.withCString { source in
                    place.name.withCString {
                        renameat(volume, source, folders[0].descriptor, $0)
                    }
                }
                guard result == 0 else {
                    let error = Errno.last
                    if let kept { reattach(kept, with: number, in: folders[0]) }
                    throw error
                }
                return true
            }
            if isDone { return }
        }
        guard temporary.withCString({ unlinkat(volume, $0, 0) }) == 0 else { throw .last }
    }
}

extension IncomingFile {
    /// Begins a write, if the inode is the writer's and open for it.
    ///
    /// - Returns: Where to write, and the digest to go on with; `nil` when the inode is to be made
    ///   writable first.
    fileprivate mutating func beginWrite(
        at offset: Int, by writer: ObjectIdentifier
    ) -> (SharedDescriptor, StreamingDigest?)? {
        guard holder == .writer, isWritable, let descriptor else { return nil }
        write()
        writers.insert(writer)
        return (descriptor, bytes.beginWrite(at: offset))
    }

    /// Takes another descriptor, if it is to stay open.
    ///
    /// - Returns: The one that is not needed any more.
    fileprivate mutating func adopt(_ new: SharedDescriptor) -> SharedDescriptor? {
        guard handles > 0 else { return nil }
        defer { (descriptor, isWritable) = (new, true) }
        return descriptor
    }
}
