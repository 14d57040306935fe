import CLinux
import Foundation
import Storage
import System

/// The file system that a path is on.
struct FileSystemOfPath {
    var device: UInt
    /// Where it is mounted.
    var mountpoint: String
    /// Its type, as /proc/self/mountinfo has it: `ext4`.
    var type: String
    /// Bytes that users can still write.
    var available: Int64
    /// Its size in bytes.
    var total: Int64
    /// Files that users can still make; `nil` when there is no limit.
    var availableFiles: Int64?
    var isReadOnly: Bool

    /// `nil` when the path is not there.
    init?(_ path: String) {
        var status = stat()
        var space = statvfs()
        guard stat(path, &status) == 0, statvfs(path, &space) == 0 else { return nil }
        device = status.st_dev
        let mount = MountedFileSystem.holding(path)
        mountpoint = mount?.path ?? "/"
        type = mount?.type ?? ""
        available = Int64(clamping: space.f_bavail) * Int64(space.f_frsize)
        total = Int64(clamping: space.f_blocks) * Int64(space.f_frsize)
        availableFiles = space.f_files > 0 ? Int64(clamping: space.f_favail) : nil
        isReadOnly = space.f_flag & UInt(ST_RDONLY) != 0
    }

    var isRemote: Bool {
        ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "afs"].contains(type)
            || type.hasPrefix("fuse.")
    }
}
