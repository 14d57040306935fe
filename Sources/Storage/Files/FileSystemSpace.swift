import Glibc

/// The size of a file system.
public struct FileSystemSpace: Hashable, Sendable {
    /// Its size in bytes.
    public var total: Int64
    /// Bytes that this process can still write, the reserve included.
    public var available: Int64
    /// Whether it is mounted read-only.
    public var isReadOnly: Bool

    /// See: 'man 3 fstatvfs'
    static func of(_ directory: borrowing Directory) throws(StorageError) -> FileSystemSpace {
        var status = statvfs()
        try call({ .space($0, directory.path) }) { fstatvfs(directory.number, &status) }
        let block = Int64(status.f_frsize)
        return FileSystemSpace(
            total: Int64(clamping: status.f_blocks) * block,
            available: Int64(clamping: status.f_bavail) * block,
            isReadOnly: status.f_flag & UInt(ST_RDONLY) != 0)
    }

    /// Refuses a file for which there is no space above a reserve.
    ///
    /// - Throws: `noSpace` or `readOnly`.
    func require(_ bytes: Int64, above reserve: Int64, path: String) throws(StorageError) {
        if isReadOnly {
            throw StorageError(
                .readOnly, "the volume is mounted read-only", path: path,
                remedy: "See dmesg for why, check the file system, mount it again")
        }
        guard available - reserve >= bytes else {
            throw StorageError(
                .noSpace,
                "\(bytes) bytes do not fit: \(available) are free, \(reserve) are reserved",
                path: path, remedy: "Add a volume; pacsfs deletes nothing to make room")
        }
    }
}
