import Glibc

/// Reaches what lies below an open directory by a path of any length: the kernel takes at most
/// PATH_MAX bytes at once.
public enum PathDescent {
    /// Bytes that are given to the kernel at once.
    private static let most = 3072

    /// Calls `body` with an open directory, and the path from there.
    ///
    /// - Parameters:
    ///   - path: Relative to `directory`; names joined with `/`. Symbolic links are not followed on
    ///     the way, if the path is long.
    ///   - body: Its directory is open during the call.
    /// - Throws: The ``Errno`` of opening a directory on the way, and what `body` throws.
    @discardableResult
    public static func with<R>(
        _ path: [UInt8], below directory: Int32,
        _ body: (_ directory: Int32, _ rest: [UInt8]) throws(Errno) -> R
    ) throws(Errno) -> R {
        // What `body` does with it is a system call.
        defer { DiskWork.goesOn() }
        guard path.count > most else { return try body(directory, path) }
        var current: SharedDescriptor?
        var rest = path[...]
        while rest.count > most {
            let head = rest.prefix(most)
            guard let slash = head.lastIndex(of: UInt8(ascii: "/")) else {
                throw Errno(ENAMETOOLONG)
            }
            current = try SharedDescriptor(
                opening: Array(rest[..<slash]), at: current?.number ?? directory,
                O_RDONLY | O_DIRECTORY)
            rest = rest[(slash + 1)...]
        }
        defer { withExtendedLifetime(current) {} }
        return try body(current?.number ?? directory, Array(rest))
    }

    /// Removes a name.
    ///
    /// - Parameter flags: As of `unlinkat(2)`.
    /// - Throws: The ``Errno`` of the call.
    public static func remove(
        _ path: [UInt8], below directory: Int32, _ flags: Int32 = 0
    ) throws(Errno) {
        try with(path, below: directory) { (directory, path) throws(Errno) in
            _ = try systemCall { path.withCString { unlinkat(directory, $0, flags) } }
        }
    }
}
