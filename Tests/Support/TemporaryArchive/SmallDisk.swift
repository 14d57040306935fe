import Glibc

/// A disk of a few megabytes, in memory, mounted for one test. Needs root.
public final class SmallDisk: Sendable {
    /// Why there may be none.
    public struct Refused: Error {
        public var errno: Int32
    }

    public static let isPossible = geteuid() == 0

    public let path: String

    /// Mounts an empty disk of `bytes` bytes on a directory that is there.
    public init(at path: String, bytes: Int) throws {
        self.path = path
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes),mode=755") == 0 else {
            throw Refused(errno: errno)
        }
    }

    /// Takes the disk away while it is in use.
    public func unplug() { umount2(path, Int32(MNT_DETACH)) }
}
