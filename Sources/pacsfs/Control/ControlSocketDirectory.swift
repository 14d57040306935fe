import Archive
import CLinux
import Glibc
import System

/// The directory in which `control.sock` lies. The address of the socket goes through its
/// descriptor: the 108 bytes of a socket's path (unix(7)) are too few for some archives.
struct ControlSocketDirectory: ~Copyable {
    private let directory: Descriptor

    /// - Throws: The ``Errno`` of opening the directory.
    init(_ path: String) throws(Errno) {
        directory = try Descriptor(opening: path, O_RDONLY | O_DIRECTORY)
    }

    /// Removes the socket, if there is one.
    func removeSocket() { unlinkat(directory.number, ArchivePaths.controlSocketName, 0) }

    /// Calls `body` with the address of the socket.
    ///
    /// - Throws: What `body` throws.
    func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void)
        throws(Errno)
    {
        let path = "/proc/self/fd/\(directory.number)/\(ArchivePaths.controlSocketName)"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: path.utf8.prefix($0.count - 1))
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Result { () throws(Errno) in
                    try body(pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        try result.get()
    }
}
