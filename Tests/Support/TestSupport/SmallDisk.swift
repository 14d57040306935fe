import Glibc

/// A disk of a few megabytes, in memory, mounted for one test. Needs root.
public final class SmallDisk: Sendable {
    public static let isPossible = geteuid() == 0

    public let path: String

    /// Mounts an empty disk on a folder that exists.
    ///
    /// - Throws: ``ProgramError``.
    public init(at path: String, bytes: Int) throws {
        self.path = path
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes),mode=755") == 0 else {
            throw ProgramError(description: "\(path) cannot be mounted: \(lastError)")
        }
    }

    /// Lets nothing more be written, as the kernel does when a file system is damaged.
    public func makeReadOnly() -> Bool {
        mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0
    }

    /// Takes the disk away while it is in use.
    public func unplug() { umount2(path, Int32(MNT_DETACH)) }

    deinit { unplug() }
}
