import Glibc
import System

// One factory for each system call that Storage makes.
extension StorageError {
    // See: 'man 2 open'
    static func open(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot open", path)
    }

    // See: 'man 2 pread'
    static func read(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot read", path)
    }

    // See: 'man 2 pwrite'
    static func write(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot write", path)
    }

    // See: 'man 2 fstatat'
    static func stat(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot tell size and kind of", path)
    }

    // See: 'man 3 readdir'
    static func list(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot list", path)
    }

    // See: 'man 2 mkdirat'
    static func makeDirectory(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot make the folder", path)
    }

    // See: 'man 2 linkat'
    static func link(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot make a hard link to", path)
    }

    // See: 'man 2 renameat2'
    static func rename(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot rename", path)
    }

    // See: 'man 2 unlinkat'
    static func remove(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot remove", path)
    }

    // See: 'man 2 fchmod'
    static func setMode(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot set the mode of", path)
    }

    // See: 'man 2 ftruncate'
    static func truncate(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot cut", path)
    }

    // See: 'man 2 fsync', 'man 2 syncfs'
    static func sync(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot make durable", path)
    }

    // See: 'man 3 fstatvfs'
    static func space(_ errno: Int32, _ path: String) -> StorageError {
        StorageError(errno, "cannot tell the free space of", path)
    }

    private init(_ errno: Int32, _ message: String, _ path: String) {
        let (code, remedy) = Self.meaning(of: errno)
        self.init(code, message, path: path, remedy: remedy, cause: Errno(errno))
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
        case ENODEV, ENXIO, ESTALE, ENOTCONN:
            (.io, "The disk is gone; plug it in and mount it, then start pacsfs again")
        default:
            (.io, "Look into dmesg, check the disk with smartctl, replace the volume if it fails")
        }
    }
}
