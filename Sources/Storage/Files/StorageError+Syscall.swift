import Glibc
import System

// One factory for each system call that Storage makes.
extension StorageError {
    // See: 'man 2 open'
    static func open(_ error: Errno, _ path: String) -> StorageError {
        StorageError(
            error, error == RegularFile.notRegular ? "not a plain file" : "cannot open", path)
    }

    // See: 'man 2 pread'
    static func read(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot read", path)
    }

    // See: 'man 2 pwrite'
    static func write(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot write", path)
    }

    // See: 'man 2 fstatat'
    static func stat(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot tell size and kind of", path)
    }

    // See: 'man 3 readdir'
    static func list(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot list", path)
    }

    // See: 'man 2 mkdirat'
    static func makeDirectory(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot make the folder", path)
    }

    // See: 'man 2 linkat'
    static func link(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot make a hard link to", path)
    }

    // See: 'man 2 renameat2'
    static func rename(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot rename", path)
    }

    // See: 'man 2 unlinkat'
    static func remove(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot remove", path)
    }

    // See: 'man 2 fchmod'
    static func setMode(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot set the mode of", path)
    }

    // See: 'man 2 ftruncate'
    static func truncate(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot cut", path)
    }

    // See: 'man 2 fsync', 'man 2 syncfs'
    static func sync(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot make durable", path)
    }

    // See: 'man 3 fstatvfs'
    static func space(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot tell the free space of", path)
    }

    // See: 'man 2 flock'
    static func lock(_ error: Errno, _ path: String) -> StorageError {
        StorageError(error, "cannot lock", path)
    }

    private init(_ error: Errno, _ message: String, _ path: String) {
        let (code, remedy) = Self.meaning(of: error.code)
        self.init(code, message, path: path, remedy: remedy, cause: error)
    }

    private static func meaning(of errno: Int32) -> (Code, remedy: String) {
        switch errno {
        case ENOSPC, EDQUOT:
            (.noSpace, "Make room or add a volume; pacsfs deletes nothing to make room")
        case ENOENT, ENOTDIR:
            (.notFound, "Check that the volume is mounted and that nothing was removed by hand")
        case EEXIST, ENOTEMPTY:
            (.alreadyExists, "Look at what has the name; pacsfs overwrites nothing")
        case EACCES, EPERM:
            (.permissionDenied, "Let the user that pacsfs runs as own the volume")
        case EROFS:
            (.readOnly, "The file system is mounted read-only; see dmesg, check it, mount it again")
        case EMFILE, ENFILE:
            (.tooManyOpenFiles, "Raise LimitNOFILE of the service")
        case ENOMEM:
            (.outOfMemory, "End other programs, or raise MemoryMax of the service")
        case ELOOP:
            (.invalidArgument, "A symbolic link stands where a file should; remove the link")
        case ENAMETOOLONG, EINVAL:
            (.invalidArgument, "The file system does not take this; is it one made for Linux?")
        case RegularFile.notRegular.code:
            (.corrupt, "Look at what has the name, and put back the file that was there")
        case ENODEV, ENXIO, ESTALE, ENOTCONN:
            (.io, "The disk is gone; plug it in and mount it, then start pacsfs again")
        default:
            (.io, "Look into dmesg, check the disk with smartctl, replace the volume if it fails")
        }
    }
}

// Failures after which a caller goes on in another way.
extension StorageError {
    /// Nothing has the name.
    var isMissing: Bool { isOne(of: ENOENT) }
    /// Something has the name already.
    var isTaken: Bool { isOne(of: EEXIST) }
    /// This user may not do it.
    var isForbidden: Bool { isOne(of: EPERM) }
    /// Another process has the lock.
    var isLocked: Bool { isOne(of: EWOULDBLOCK) }
    /// The call would have to wait for the disk.
    var wouldWait: Bool { isOne(of: EAGAIN) }
    /// Something else than a regular file has the name.
    var isNotRegular: Bool { isOne(of: RegularFile.notRegular.code) }
    /// The file system does not support the call, or its flags.
    var isUnsupported: Bool { isOne(of: EINVAL, ENOSYS, EOPNOTSUPP) }
    /// The file system has no modes.
    var meansNoModes: Bool { isOne(of: EPERM, ENOSYS, EOPNOTSUPP) }
    /// The file system has no hard links.
    var meansNoHardLinks: Bool { isOne(of: EPERM, ENOSYS, EOPNOTSUPP, EMLINK) }
    /// The file system has no files without a name.
    var meansNoUnnamedFiles: Bool { isOne(of: EOPNOTSUPP, EISDIR, EINVAL, ENOENT) }

    private func isOne(of codes: Int32...) -> Bool {
        (cause as? Errno).map { codes.contains($0.code) } ?? false
    }
}
