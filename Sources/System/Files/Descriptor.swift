import Glibc

/// An open file descriptor with one owner, closed when the owner gives it up.
public struct Descriptor: ~Copyable, Sendable {
    /// The number the kernel knows it by, valid as long as the descriptor lives. A descriptor
    /// without a name dies at the end of its expression: write
    /// `let file = try volume.openBlob(digest)` first, then use `file.number`.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(owning number: Int32) { self.number = number }

    /// Opens a file below an open directory; the descriptor is not passed on to child processes.
    ///
    /// - Parameters:
    ///   - directory: A descriptor, or `AT_FDCWD`.
    ///   - flags: As of `openat(2)`; `O_CLOEXEC` is added.
    ///   - mode: Of a file that is created.
    /// - Throws: The ``Errno`` of the call.
    ///
    /// See: 'man 2 openat'
    public init(
        opening name: String, at directory: Int32 = AT_FDCWD, _ flags: Int32, mode: mode_t = 0o600
    ) throws(Errno) {
        number = try systemCall { openat(directory, name, flags | O_CLOEXEC, mode) }
    }

    /// Gives up ownership: the caller closes it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    deinit { _ = close(number) }
}

/// An open file that is closed when the last reference goes: a reader may still be in the
/// middle of it when a writer has moved on to a copy.
public final class SharedDescriptor: Sendable {
    /// The number the kernel knows it by, valid as long as this object lives.
    public let number: Int32

    /// Takes ownership of an open descriptor.
    public init(owning number: Int32) { self.number = number }

    /// Shares a descriptor that had one owner.
    public convenience init(_ descriptor: consuming Descriptor) {
        self.init(owning: descriptor.release())
    }

    /// Opens a regular file, or with `O_DIRECTORY` a folder, below an open directory; symbolic
    /// links are not followed, and the descriptor is not passed on to child processes.
    ///
    /// - Parameters:
    ///   - path: Relative to `directory`, without a zero byte; of any length.
    ///   - flags: As of `openat(2)`; `O_CLOEXEC` and `O_NOFOLLOW` are added.
    ///   - mode: Of a file that is created.
    /// - Throws: The ``Errno`` of the call.
    ///
    /// See: 'man 2 openat'
    public convenience init(
        at directory: Int32, _ path: [UInt8], flags: Int32, mode: mode_t = 0o600
    ) throws(Errno) {
        let number = try PathDescent.with(path, below: directory) {
            (directory, path) throws(Errno) in
            try Self.open(path, at: directory, flags, mode: mode)
        }
        self.init(owning: number)
    }

    /// Opens something by a path that the kernel takes at once.
    convenience init(opening path: [UInt8], at directory: Int32, _ flags: Int32) throws(Errno) {
        self.init(owning: try Self.open(path, at: directory, flags))
    }

    private static func open(
        _ path: [UInt8], at directory: Int32, _ flags: Int32, mode: mode_t = 0
    ) throws(Errno) -> Int32 {
        guard flags & O_DIRECTORY != 0 else {
            return try RegularFile.open(at: directory, path, flags, mode: mode).release()
        }
        let number = path.withCString {
            openat(directory, $0, flags | O_CLOEXEC | O_NOFOLLOW, mode)
        }
        guard number >= 0 else { throw .last }
        return number
    }

    deinit { close(number) }

    /// - Throws: The ``Errno`` of `fstat(2)`.
    public func status() throws(Errno) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .last }
        return status
    }

    /// - Throws: The ``Errno`` of `fstat(2)`.
    public func facts() throws(Errno) -> FileFacts { FileFacts(try status()) }
}
