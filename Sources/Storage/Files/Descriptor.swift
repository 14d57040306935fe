import Glibc

/// An open file descriptor with one owner, closed when the owner lets it go.
public struct Descriptor: ~Copyable, Sendable {
    /// The number the kernel knows it by; valid as long as the descriptor lives. One that was
    /// given no name lives no longer than the expression it is in:
    /// `let file = try volume.openBlob(digest)` first, then `file.number`.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(owning number: Int32) { self.number = number }

    /// Gives up ownership: the caller closes it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    deinit { _ = close(number) }
}

// The calls below, for as long as the descriptor is lent to them.
extension Descriptor {
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

    /// Cuts a file to `bytes` bytes, durably. One that is shorter stays as it is.
    ///
    /// See: 'man 2 ftruncate'
    func cut(to bytes: Int64, path: String) throws(StorageError) {
        guard try facts(path: path).bytes > bytes else { return }
        try call({ .truncate($0, path) }) { ftruncate(number, off_t(bytes)) }
        try syncAll(path: path)
    }

    /// Makes the content of a file durable, and of its attributes what is needed to read it.
    ///
    /// See: 'man 2 fdatasync'
    func syncData(path: String) throws(StorageError) {
        try call({ .sync($0, path) }) { fdatasync(number) }
    }

    /// Makes the content and all attributes of a file durable.
    ///
    /// See: 'man 2 fsync'
    func syncAll(path: String) throws(StorageError) {
        try call({ .sync($0, path) }) { fsync(number) }
    }
}

/// Makes a system call, again when a signal interrupted it, and throws what `failure`
/// makes of its `errno`.
@discardableResult
@inline(__always)
func call<Status: SignedInteger>(
    _ failure: (Int32) -> StorageError, _ body: () -> Status
) throws(StorageError) -> Status {
    while true {
        let status = body()
        if status != -1 { return status }
        let error = errno
        if error == EINTR { continue }
        throw failure(error)
    }
}

/// What `fstat` tells of a file.
struct FileFacts: Sendable {
    var bytes: Int64
    var device: UInt64
    var inode: UInt64
    var mode: UInt32
    /// How many names it has; 0 when the last one was removed.
    var names: Int
    var isRegular: Bool
    var isDirectory: Bool

    init(_ status: stat) {
        bytes = Int64(status.st_size)
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        mode = UInt32(status.st_mode) & 0o7777
        names = Int(status.st_nlink)
        isRegular = status.st_mode & S_IFMT == S_IFREG
        isDirectory = status.st_mode & S_IFMT == S_IFDIR
    }

    /// See: 'man 2 fstat'
    static func of(_ descriptor: Int32, path: String) throws(StorageError) -> FileFacts {
        var status = stat()
        try call({ .stat($0, path) }) { fstat(descriptor, &status) }
        return FileFacts(status)
    }

    func isSameFile(as other: FileFacts) -> Bool {
        device == other.device && inode == other.inode
    }
}

/// Reads and writes at offsets until everything asked for is done.
enum FileIO {
    /// Fills `buffer` from `offset`; fewer bytes only at the end of the file.
    ///
    /// See: 'man 2 pread'
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64,
        path: String
    ) throws(StorageError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try call({ .read($0, path) }) {
                pread(
                    descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                    off_t(offset) + off_t(done))
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of `buffer` at `offset`.
    ///
    /// See: 'man 2 pwrite'
    static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: Int64, path: String
    ) throws(StorageError) {
        var done = 0
        while done < buffer.count {
            done += try call({ .write($0, path) }) {
                pwrite(
                    descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                    off_t(offset) + off_t(done))
            }
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
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        defer { buffer.deallocate() }
        let done = try read(descriptor, into: buffer, at: offset, path: path)
        return [UInt8](buffer.prefix(done))
    }

    /// Makes the content of a file durable, and of its attributes what is needed to read it.
    ///
    /// See: 'man 2 fdatasync'
    static func syncData(_ descriptor: Int32, path: String) throws(StorageError) {
        try call({ .sync($0, path) }) { fdatasync(descriptor) }
    }
}
