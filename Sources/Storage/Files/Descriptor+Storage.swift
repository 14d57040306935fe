import CLinux
import Glibc
import System

// The calls of Storage on a descriptor, with errors that name the file.
extension Descriptor {
    /// - Throws: The code that belongs to the `errno` of `fstat(2)`.
    func facts(path: String) throws(StorageError) -> FileFacts {
        try FileFacts.of(number, path: path)
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, at offset: Int64, path: String
    ) throws(StorageError) -> Int {
        try FileIO.read(number, into: buffer, at: offset, path: path)
    }

    func bytes(at offset: Int64, count: Int, path: String) throws(StorageError) -> [UInt8] {
        try FileIO.bytes(number, at: offset, count: count, path: path)
    }

    func digest(bytes: Int64, path: String) throws(StorageError) -> Digest {
        try Digest.of(descriptor: number, bytes: bytes, path: path)
    }

    func write(_ bytes: [UInt8], at offset: Int64, path: String) throws(StorageError) {
        try FileIO.write(number, bytes, at: offset, path: path)
    }

    /// Cuts a file to `bytes` bytes, durably. A shorter file stays as it is.
    ///
    /// See: 'man 2 ftruncate'
    func cut(to bytes: Int64, path: String) throws(StorageError) {
        guard try facts(path: path).bytes > bytes else { return }
        try call({ .truncate($0, path) }) { ftruncate(number, off_t(bytes)) }
        try syncAll(path: path)
    }

    /// Writes a large file to its disk piece by piece, so that making it durable is short: of one
    /// call that takes minutes nobody could say whether the disk still answers.
    ///
    /// See: 'man 2 sync_file_range'
    func writeOut(bytes: Int64, path: String) throws(StorageError) {
        let piece: Int64 = 16 << 20
        let flags = UInt32(PACSFS_SYNC_FILE_RANGE_WRITE | PACSFS_SYNC_FILE_RANGE_WAIT_AFTER)
        var offset: Int64 = 0
        while bytes > piece, offset < bytes {
            do throws(StorageError) {
                try call({ .sync($0, path) }) {
                    sync_file_range(number, off_t(offset), off_t(piece), flags)
                }
            } catch {
                if error.isUnsupported { return }
                throw error
            }
            offset += piece
        }
    }

    /// Makes the content of a file durable, and of its attributes those needed to read it.
    ///
    /// See: 'man 2 fdatasync'
    func syncData(path: String) throws(StorageError) {
        try FileIO.syncData(number, path: path)
    }

    /// Makes the content and all attributes of a file durable.
    ///
    /// See: 'man 2 fsync'
    func syncAll(path: String) throws(StorageError) {
        try call({ .sync($0, path) }) { fsync(number) }
    }
}

/// Makes a system call, and makes it again while signals interrupt it.
///
/// - Parameters:
///   - failure: Makes the error of the failed call.
///   - opens: Whether it returns a descriptor, which must not be lost.
/// - Throws: What `failure` makes; `notAnswering` in a thread that nobody waits for any more.
@discardableResult
@inline(__always)
func call<Status: SignedInteger>(
    _ failure: (Errno) -> StorageError, opens: Bool = false, _ body: () -> Status
) throws(StorageError) -> Status {
    let status: Status
    do throws(Errno) {
        status = try systemCall(body)
    } catch {
        throw failure(error)
    }
    // One that comes back late is not followed by others that would change something.
    if !DiskWork.goesOn(), !opens { throw .notAnswering("its disk", after: 0) }
    return status
}

extension FileFacts {
    /// See: 'man 2 fstat'
    static func of(_ descriptor: Int32, path: String) throws(StorageError) -> FileFacts {
        do throws(Errno) {
            return try FileFacts(of: descriptor)
        } catch {
            throw .stat(error, path)
        }
    }
}

extension FileIO {
    /// Fills `buffer` from `offset`; fewer bytes only at the end of the file.
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64,
        path: String
    ) throws(StorageError) -> Int {
        do throws(Errno) {
            return try read(descriptor, into: buffer, at: offset)
        } catch {
            throw .read(error, path)
        }
    }

    /// Writes all of `buffer` at `offset`.
    static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: Int64, path: String
    ) throws(StorageError) {
        do throws(Errno) {
            try write(descriptor, buffer, at: offset)
        } catch {
            throw .write(error, path)
        }
    }

    /// Writes all of `bytes` at `offset`.
    static func write(
        _ descriptor: Int32, _ bytes: [UInt8], at offset: Int64, path: String
    ) throws(StorageError) {
        try bytes.span.bytes.withUnsafeBytes { (buffer) throws(StorageError) in
            try write(descriptor, buffer, at: offset, path: path)
        }
    }

    /// The bytes from `offset` on, at most `count`.
    static func bytes(
        _ descriptor: Int32, at offset: Int64, count: Int, path: String
    ) throws(StorageError) -> [UInt8] {
        do throws(Errno) {
            return try bytes(descriptor, at: offset, count: count)
        } catch {
            throw .read(error, path)
        }
    }

    /// Makes the content of a file durable, and of its attributes those needed to read it.
    ///
    /// See: 'man 2 fdatasync'
    static func syncData(_ descriptor: Int32, path: String) throws(StorageError) {
        try call({ .sync($0, path) }) { fdatasync(descriptor) }
    }
}
