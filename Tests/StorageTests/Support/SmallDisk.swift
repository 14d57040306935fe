import Glibc

@testable import Storage

/// A disk of a few megabytes, in memory, mounted for one test. Needs root.
final class SmallDisk: Sendable {
    static let isPossible = geteuid() == 0

    let path: String

    /// Mounts an empty disk on a folder that is there.
    init(at path: String, bytes: Int) throws {
        self.path = path
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(bytes),mode=755") == 0 else {
            throw StorageError(
                .permissionDenied, "cannot mount", path: path, remedy: "Run the tests as root")
        }
    }

    /// Lets nothing more be written, as the kernel does when a file system is damaged.
    func makeReadOnly() -> Bool {
        mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0
    }

    /// Takes it away under whoever uses it.
    func unplug() { umount2(path, Int32(MNT_DETACH)) }

    deinit { unplug() }
}
