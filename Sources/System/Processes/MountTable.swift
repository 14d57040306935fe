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
    /// top. No file system is asked.
    ///
    /// - Parameter path: Absolute, without symbolic links.
    public static func holding(_ path: String) -> MountedFileSystem? {
        all().filter { mount in
            path == mount.path || mount.path == "/" || path.hasPrefix(mount.path + "/")
        }.enumerated().max {
            ($0.element.path.utf8.count, $0.offset) < ($1.element.path.utf8.count, $1.offset)
        }?.element
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
