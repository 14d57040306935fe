import Glibc
import Storage
import System

/// Why a mount cannot be made or ended.
public typealias MountError = CodedError<MountErrorCode>

public enum MountErrorCode: Sendable {
    /// The mount point is not an empty directory of this user, or is inside of the archive.
    case badMountpoint
    /// Something is mounted there already, or programs use it.
    case inUse
    /// No pacsfs is mounted there.
    case notMounted
    /// The daemon of the mount does not answer.
    case noAnswer
    /// Another user may do it, or root.
    case forbidden
    /// This system has no FUSE, or too old a libfuse.
    case unavailable
    /// The configuration names a group that does not exist.
    case configuration
    /// A system call failed.
    case system
}

extension MountedFileSystem {
    /// The user who mounted it, as far as the kernel says (`user_id` of a FUSE file system).
    public var owner: uid_t? {
        superOptions.first { $0.hasPrefix("user_id=") }.flatMap { uid_t($0.dropFirst(8)) }
    }

    /// A name, or a number where this system has none for it.
    public var ownerName: String? {
        owner.map { owner in
            getpwuid(owner).map { String(cString: $0.pointee.pw_name) } ?? "user \(owner)"
        }
    }
}

/// A directory that a file system is mounted on.
public enum Mountpoint {
    /// Everything that is mounted, the latest last. The type of ours is `fuse.pacsfs`, and their
    /// source the directory of the archive.
    public static func all() -> [MountedFileSystem] { MountedFileSystem.all() }

    /// The mount at `path`; `nil` when nothing is mounted there.
    public static func mount(at path: String) -> MountedFileSystem? {
        MountedFileSystem.mounted(at: path)
    }

    /// Takes a mount away that nobody serves any more.
    ///
    /// - Throws: ``MountError`` when that takes root.
    public static func detach(_ path: String) throws(MountError) {
        if umount2(path, Int32(MNT_DETACH)) == 0 { return }
        guard run(["fusermount3", "-u", "-z", "--", path]) else {
            throw MountError(
                .forbidden,
                "The stale mount on \(path) cannot be detached. As root: umount -l \(path)")
        }
    }

    /// Ends a mount that nobody uses.
    ///
    /// - Throws: ``MountError`` when somebody does; it names programs that do.
    public static func unmount(_ path: String) throws(MountError) {
        if umount2(path, Int32(UMOUNT_NOFOLLOW)) == 0 { return }
        let error = Errno.last
        if error.code == EPERM, let mount = mount(at: path), let owner = mount.owner,
            owner != geteuid()
        {
            throw MountError(
                .forbidden,
                """
                \(path) was mounted by \(mount.ownerName ?? "user \(owner)"), and only that user \
                and root can end it: sudo pacsfs unmount \(path)
                """
            )
        }
        if error.code == EPERM, run(["fusermount3", "-u", "--", path]) { return }
        guard error.code == EBUSY || error.code == EPERM else {
            throw MountError(
                .system, "The file system cannot be unmounted", path: path, cause: error)
        }
        let users = users(of: path)
        throw MountError(
            .inUse,
            "\(path) is in use" + (users.isEmpty ? "" : " by " + users.joined(separator: ", "))
                + ". Close the programs that have files or folders of it open, then try again.")
    }

    /// Programs that have something of the mount open, three at most, as far as /proc shows them.
    private static func users(of path: String) -> [String] {
        entries(of: "/proc").compactMap(pid_t.init).filter { $0 != getpid() }.lazy
            .filter { process in
                let files = entries(of: "/proc/\(process)/fd").map { "fd/\($0)" }
                return (["cwd"] + files).contains { link in
                    target("/proc/\(process)/\(link)").map {
                        AbsolutePath.isInside($0, path)
                    } ?? false
                }
            }
            .prefix(3)
            .map { "\(RunningProcess.name(of: $0) ?? "a program") (process \($0))" }
    }

    /// The names in a folder; none when it cannot be read.
    private static func entries(of path: String) -> [String] {
        guard let folder = try? Descriptor(opening: path, O_RDONLY | O_DIRECTORY),
            let names = try? DirectoryEntry.names(in: folder.number)
        else { return [] }
        return names.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func target(_ link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }

    /// Runs a program to its end.
    ///
    /// - Returns: Whether it succeeded.
    private static func run(_ arguments: [String]) -> Bool {
        var pid = pid_t()
        let pointers = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        guard posix_spawnp(&pid, arguments[0], nil, nil, pointers, environ) == 0 else {
            return false
        }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status == 0
    }
}
