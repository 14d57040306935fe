import CLinux
import Glibc

/// Copies file content by the cheapest way that works: shared extents, a copy within the
/// kernel, or reading and writing.
enum FileCopy {
    /// How much is copied before write-back of it is started.
    private static let stride: Int64 = 8 << 20

    /// Copies `bytes` bytes from the start of `source` to the empty file `target`, and starts
    /// writing them to disk, so that making them durable later is short.
    ///
    /// - Parameter hashing: Read every byte on the way and return the digest of what was
    ///   written; without it nothing is read into this process if that can be avoided.
    /// - Throws: `corrupt` when the source has not exactly `bytes` bytes.
    static func copy(
        from source: Int32, to target: borrowing Descriptor, bytes: Int64, hashing: Bool,
        path: String
    ) throws(StorageError) -> Digest? {
        let target = target.number
        guard try FileFacts.of(source, path: path).bytes == bytes else {
            throw wrongLength(expected: bytes, path)
        }
        if !hashing {
            if bytes > 0, clone(from: source, to: target) {
                guard try FileFacts.of(target, path: path).bytes == bytes else {
                    throw wrongLength(expected: bytes, path)
                }
                return nil
            }
            let done = try copyInKernel(from: source, to: target, bytes: bytes, path: path)
            if done == bytes { return nil }
            _ = try copyThroughMemory(
                from: source, to: target, range: done..<bytes, hash: false, path: path)
            return nil
        }
        return try copyThroughMemory(
            from: source, to: target, range: 0..<bytes, hash: true, path: path)
    }

    /// Lets the target share the extents of the source; false when the file system cannot, or
    /// they are on two.
    ///
    /// See: 'man 2 ioctl_ficlone'
    private static func clone(from source: Int32, to target: Int32) -> Bool {
        ioctl(target, UInt(PACSFS_FICLONE), source) == 0
    }

    /// Returns how far it came; short of `bytes` when the file systems have no such thing.
    ///
    /// See: 'man 2 copy_file_range'
    private static func copyInKernel(
        from source: Int32, to target: Int32, bytes: Int64, path: String
    ) throws(StorageError) -> Int64 {
        var done: Int64 = 0
        while done < bytes {
            var (readOffset, writeOffset) = (off_t(done), off_t(done))
            let count = copy_file_range(
                source, &readOffset, target, &writeOffset, Int(min(stride, bytes - done)), 0)
            if count < 0 {
                if errno == EINTR { continue }
                if errno == ENOSPC || errno == EDQUOT { throw .write(errno, path) }
                return done
            }
            if count == 0 { return done }
            startWriteBack(target, at: done, bytes: Int64(count))
            done += Int64(count)
        }
        return done
    }

    private static func copyThroughMemory(
        from source: Int32, to target: Int32, range: Range<Int64>, hash: Bool, path: String
    ) throws(StorageError) -> Digest? {
        var digest = StreamingDigest()
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(min(1 << 20, max(range.upperBound - range.lowerBound, 1))),
            alignment: 4096)
        defer { buffer.deallocate() }
        var done = range.lowerBound
        var started = done
        while done < range.upperBound {
            let count = min(Int64(buffer.count), range.upperBound - done)
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(Int(count)))
            guard try FileIO.read(source, into: piece, at: done, path: path) == piece.count else {
                throw wrongLength(expected: range.upperBound, path)
            }
            if hash { digest.update(UnsafeRawBufferPointer(piece)) }
            try FileIO.write(target, UnsafeRawBufferPointer(piece), at: done, path: path)
            done += count
            if done - started >= stride || done == range.upperBound {
                startWriteBack(target, at: started, bytes: done - started)
                started = done
            }
        }
        return hash ? digest.finalize() : nil
    }

    /// Only a hint: what it cannot start, the sync at the end does.
    ///
    /// See: 'man 2 sync_file_range'
    private static func startWriteBack(_ target: Int32, at offset: Int64, bytes: Int64) {
        _ = sync_file_range(
            target, off_t(offset), off_t(bytes), UInt32(PACSFS_SYNC_FILE_RANGE_WRITE))
    }

    private static func wrongLength(expected: Int64, _ path: String) -> StorageError {
        StorageError(
            .corrupt, "the source of the copy has not the \(expected) bytes it should have",
            path: path, remedy: "It changed while it was copied, or it is damaged; try again")
    }
}
