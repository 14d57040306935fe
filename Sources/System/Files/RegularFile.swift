import Glibc

/// Files that should be regular, and of which somebody may have put something else in the place: a
/// FIFO, a socket, a device, a folder. To open such a thing must neither wait for its other end nor
/// do anything to a device.
public enum RegularFile {
    /// The error for what is no regular file; no file system gives it.
    public static let notRegular = Errno(EMEDIUMTYPE)

    /// Opens a file below an open directory; a symbolic link at the end is not followed.
    ///
    /// - Parameters:
    ///   - directory: A descriptor, or `AT_FDCWD`.
    ///   - path: Without a zero byte.
    ///   - flags: As of `openat(2)`; `O_NONBLOCK`, `O_NOFOLLOW`, `O_NOCTTY` and `O_CLOEXEC` are
    ///     added.
    /// - Throws: The ``Errno`` of the call: `ELOOP` for a symbolic link; ``notRegular``.
    ///
    /// See: 'man 2 openat'
    public static func open(
        at directory: Int32, _ path: UnsafePointer<CChar>, _ flags: Int32, mode: mode_t = 0o600
    ) throws(Errno) -> Descriptor {
        let number = openat(directory, path, flags | opening | O_NOFOLLOW, mode)
        guard number >= 0 else { throw meaning(of: .last, of: path, at: directory) }
        let file = Descriptor(owning: number)
        // What was just made, and what has no name, is regular.
        if flags & O_EXCL != 0 { return file }
        guard try FileFacts(of: number).isRegular else { throw notRegular }
        return file
    }

    /// The same for a path as bytes.
    public static func open(
        at directory: Int32, _ path: [UInt8], _ flags: Int32, mode: mode_t = 0o600
    ) throws(Errno) -> Descriptor {
        var result: Result<Int32, Errno> = .failure(Errno(EINVAL))
        path.withCString { name in
            do throws(Errno) {
                result = .success(try open(at: directory, name, flags, mode: mode).release())
            } catch {
                result = .failure(error)
            }
        }
        return Descriptor(owning: try result.get())
    }

    /// `ENXIO` says that a disk is gone, and also that something is a socket, or a FIFO that nobody
    /// reads.
    ///
    /// - Returns: ``notRegular`` in the second case, otherwise `error`.
    public static func meaning(
        of error: Errno, of path: UnsafePointer<CChar>, at directory: Int32
    ) -> Errno {
        guard error.code == ENXIO else { return error }
        var status = stat()
        guard fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return error }
        let kind = status.st_mode & S_IFMT
        return kind == S_IFIFO || kind == S_IFSOCK ? notRegular : error
    }

    /// Flags that keep open(2) from waiting for whatever has the name.
    public static let opening = O_NONBLOCK | O_NOCTTY | O_CLOEXEC

    /// Everything in a small file of ours; a symbolic link is followed.
    ///
    /// - Throws: The ``Errno`` of the call; ``notRegular``.
    public static func content(of path: String) throws(Errno) -> [UInt8] {
        if isTaken(path) { throw notRegular }
        // It does not wait either, if a FIFO has just taken the name.
        return try FileIO.content(of: path)
    }

    /// Whether something that is no regular file has a name; a symbolic link is followed.
    public static func isTaken(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
    }
}
