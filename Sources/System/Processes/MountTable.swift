import CLinux
import Glibc

/// A line of /proc/self/mountinfo.
///
/// See: 'man 5 proc_pid_mountinfo'
public struct MountedFileSystem: Sendable {
    /// The root of the mount within its file system, `/` unless it is a bind mount.
    public var root: String
    /// The mount point, relative to this process's root directory.
    public var path: String
    /// Per-mount options such as `ro`.
    public var options: [String]
    /// `ext4`, `fuse.pacsfs` and so on.
    public var type: String
    /// A device, or another source in the words of the file system.
    public var source: String
    /// Options of the file system, such as `user_id=1000` of FUSE.
    public var superOptions: [String]
    /// `st_dev` of files on it, as `major:minor`.
    public var device: String

    /// Every mount that this process sees, the latest last; empty when /proc cannot be read.
    public static func all() -> [MountedFileSystem] {
        ProcFile.lines(of: "/proc/self/mountinfo").compactMap(MountedFileSystem.init)
    }

    /// The mount on top at a mount point; `nil` when nothing is mounted there.
    public static func mounted(at path: String) -> MountedFileSystem? {
        all().last { $0.path == path }
    }

    /// The mount that a path lies on: the one that is mounted deepest, and of several the one on
    /// top. The disk at the end of the path is not asked.
    ///
    /// - Parameter path: Absolute; symbolic links on the way are followed.
    public static func holding(_ path: String) -> MountedFileSystem? {
        let all = all()
        return holding(resolved: resolved(path, among: all), among: all)
    }

    private static func holding(
        resolved path: String, among mounts: [MountedFileSystem]
    ) -> MountedFileSystem? {
        mounts.filter { mount in
            path == mount.path || mount.path == "/" || path.hasPrefix(mount.path + "/")
        }.enumerated().max {
            ($0.element.path.utf8.count, $0.offset) < ($1.element.path.utf8.count, $1.offset)
        }?.element
    }

    /// Follows the symbolic links of a path, as far as no disk has to be asked for that may not
    /// answer: those that lie on the file system of the root directory, or in memory.
    private static func resolved(_ path: String, among mounts: [MountedFileSystem]) -> String {
        let root = holding(resolved: "/", among: mounts)
        var names = [Substring](path.split(separator: "/").reversed())
        var (done, links) = ("", 0)
        while let name = names.popLast() {
            if name == "." { continue }
            if name == ".." {
                done = String(done[..<(done.lastIndex(of: "/") ?? done.startIndex)])
                continue
            }
            let next = "\(done)/\(name)"
            let place = holding(resolved: done.isEmpty ? "/" : done, among: mounts)
            guard links < mostLinks, let place, !mounts.contains(where: { $0.path == next }),
                place.device == root?.device || memory.contains(place.type),
                let target = linkTarget(next)
            else {
                done = next
                continue
            }
            links += 1
            names += target.split(separator: "/").reversed()
            if target.hasPrefix("/") { done = "" }
        }
        return done.isEmpty ? "/" : done
    }

    /// See: 'man 2 readlink'
    private static func linkTarget(_ path: String) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// As many as the kernel follows, and the file systems that are not on a disk.
    ///
    /// See: 'man 7 path_resolution'
    private static let (mostLinks, memory) = (40, ["tmpfs", "ramfs", "devtmpfs", "overlay"])

    /// The mount of a device, as `st_dev` has it.
    public static func of(device: UInt64) -> MountedFileSystem? {
        let name = "\(gnu_dev_major(dev_t(device))):\(gnu_dev_minor(dev_t(device)))"
        return all().first { $0.device == name }
    }

    /// Whether modes say who may change files. Some file systems take one mode for all files from
    /// the options of the mount, and others ask a server.
    ///
    /// See: 'man 8 mount', 'man 8 mount.fuse3'
    public var hasModes: Bool {
        if isFuse { return superOptions.contains("default_permissions") }
        return ![
            "vfat", "msdos", "exfat", "ntfs", "ntfs3", "hfs", "cifs", "smb3", "9p", "vboxsf",
        ].contains(type)
    }

    /// Whether the owners are those that made the files: a server of NFS may give all to one user.
    public var hasOwners: Bool { hasModes && type != "nfs" && type != "nfs4" }

    /// Whether only the user that mounted it reaches it, whatever the modes are.
    public var isPrivate: Bool { isFuse && !superOptions.contains("allow_other") }

    private var isFuse: Bool {
        type == "fuse" || type == "fuseblk" || type.hasPrefix("fuse.")
    }

    init?(line: Substring) {
        // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        let fields = line.split(separator: " ")
        guard let dash = fields.firstIndex(of: "-"), dash > 5, fields.count > dash + 2 else {
            return nil
        }
        device = String(fields[2])
        root = Self.unescaped(fields[3])
        path = Self.unescaped(fields[4])
        options = fields[5].split(separator: ",").map(String.init)
        type = String(fields[dash + 1])
        source = Self.unescaped(fields[dash + 2])
        superOptions =
            fields.count > dash + 3 ? fields[dash + 3].split(separator: ",").map(String.init) : []
    }

    /// The kernel writes blanks and backslashes as `\040` and the like.
    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest.removeFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
