import CLinux
import Glibc

extension Descriptor {
    /// The kernel takes paths up to 4,095 bytes.
    private static let longestPath = 4_000

    /// Opens what lies below an open directory, however long the path is. No part of it may be a
    /// symbolic link, and nothing outside of the directory is ever opened, whatever happens to the
    /// folders meanwhile.
    ///
    /// - Parameters:
    ///   - directory: An open directory.
    ///   - path: Relative to it, without `..`.
    ///   - flags: As of `openat(2)`; `O_CLOEXEC` is added.
    /// - Throws: The ``Errno`` of the call: `ELOOP` for a symbolic link.
    ///
    /// See: 'man 2 openat2', RESOLVE_BENEATH
    public static func beneath(
        _ directory: Int32, _ path: String, _ flags: Int32
    ) throws(Errno) -> Descriptor {
        let slash = UInt8(ascii: "/")
        var rest = Array(path.utf8)[...]
        var folder: SharedDescriptor?
        while rest.count > longestPath {
            guard let end = rest.prefix(longestPath).lastIndex(of: slash) else {
                throw Errno(ENAMETOOLONG)
            }
            folder = SharedDescriptor(
                try open(
                    beneath: folder?.number ?? directory, rest[..<end],
                    PACSFS_O_PATH | O_DIRECTORY))
            rest = rest[(end + 1)...]
        }
        return try withExtendedLifetime(folder) { () throws(Errno) in
            try open(beneath: folder?.number ?? directory, rest, flags)
        }
    }

    private static func open(
        beneath directory: Int32, _ path: ArraySlice<UInt8>, _ flags: Int32
    ) throws(Errno) -> Descriptor {
        let number = Array(path).withCString {
            pacsfs_open_beneath(directory, $0, flags | O_CLOEXEC)
        }
        guard number >= 0 else { throw .last }
        return Descriptor(owning: number)
    }
}
