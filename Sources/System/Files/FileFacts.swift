import Glibc

/// The part of `struct stat` that pacsfs uses.
///
/// See: 'man 3type stat'
public struct FileFacts: Sendable, Equatable {
    /// Size in bytes.
    public var bytes: Int64
    public var device: UInt64
    public var inode: UInt64
    /// Permission bits, without the type.
    public var mode: UInt32
    /// The number of its user.
    public var owner: UInt32
    /// The number of its group.
    public var group: UInt32
    /// The number of hard links; 0 after the last one was removed.
    public var links: Int
    public var isRegular: Bool
    public var isDirectory: Bool
    /// Whether it is a symbolic link.
    public var isLink: Bool
    /// When the content was last changed, ns since 1970.
    public var modified: Int64
    /// When content or attributes were last changed, ns since 1970.
    public var changed: Int64

    public init(_ status: stat) {
        bytes = Int64(status.st_size)
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        mode = UInt32(status.st_mode) & 0o7777
        (owner, group) = (status.st_uid, status.st_gid)
        links = Int(status.st_nlink)
        isRegular = status.st_mode & S_IFMT == S_IFREG
        isDirectory = status.st_mode & S_IFMT == S_IFDIR
        isLink = status.st_mode & S_IFMT == S_IFLNK
        modified = Self.nanoseconds(status.st_mtim)
        changed = Self.nanoseconds(status.st_ctim)
    }

    /// Since 1970. Anybody can give a file a time that does not fit (after 2262): it counts as the
    /// last that does, or the first.
    private static func nanoseconds(_ time: timespec) -> Int64 {
        let (whole, isTooFar) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isToo) = whole.addingReportingOverflow(Int64(time.tv_nsec))
        return isTooFar || isToo ? (time.tv_sec < 0 ? .min : .max) : sum
    }

    /// Of an open file.
    ///
    /// - Throws: The ``Errno`` of `fstat(2)`.
    public init(of descriptor: Int32) throws(Errno) {
        var status = stat()
        try systemCall { fstat(descriptor, &status) }
        self.init(status)
    }

    /// Of a name in an open directory; a symbolic link is not followed.
    ///
    /// - Returns: `nil` when nothing has the name.
    /// - Throws: The ``Errno`` of `fstatat(2)`, except `ENOENT`.
    public static func of(_ name: String, in directory: Int32) throws(Errno) -> FileFacts? {
        try found { status throws(Errno) in
            try systemCall { fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) }
        }
    }

    /// Of a name or relative path in an open directory; a symbolic link is not followed.
    ///
    /// - Returns: `nil` when nothing has the name.
    /// - Throws: The ``Errno`` of `fstatat(2)`, except `ENOENT`.
    public static func of(_ path: [UInt8], in directory: Int32) throws(Errno) -> FileFacts? {
        try found { status throws(Errno) in
            try PathDescent.with(path, below: directory) { (directory, path) throws(Errno) in
                let result = path.withCString {
                    fstatat(directory, $0, &status, AT_SYMLINK_NOFOLLOW)
                }
                if result != 0 { throw .last }
            }
        }
    }

    private static func found(
        _ call: (inout stat) throws(Errno) -> Void
    ) throws(Errno) -> FileFacts? {
        var status = stat()
        do throws(Errno) {
            try call(&status)
            return FileFacts(status)
        } catch {
            if error.code == ENOENT { return nil }
            throw error
        }
    }

    public func isSameFile(as other: FileFacts) -> Bool {
        device == other.device && inode == other.inode
    }
}
