import Glibc
import Storage

/// Why a directory cannot be mounted on, or a mount not be made or ended.
public struct MountError: Error, Sendable, CustomStringConvertible {
    /// The failure, and what to do next.
    public var description: String

    public init(_ description: String) { self.description = description }
}

/// A directory that a file system is mounted on.
public enum Mountpoint {
    /// A line of /proc/self/mountinfo (proc(5)).
    public struct Mount: Sendable {
        public var path: String
        /// `fuse.pacsfs` for one of ours.
        public var type: String
        /// For ours, the directory of the archive.
        public var source: String
        /// The user who mounted it, if the kernel says so (`user_id` of a FUSE file system).
        public var owner: uid_t?

        /// A name, or a number where this system has none for it.
        public var ownerName: String? {
            owner.map { owner in
                getpwuid(owner).map { String(cString: $0.pointee.pw_name) } ?? "user \(owner)"
            }
        }
    }

    /// Everything that is mounted, the latest last.
    public static func all() -> [Mount] {
        guard let file = fopen("/proc/self/mountinfo", "re") else { return [] }
        defer { fclose(file) }
        var mounts: [Mount] = []
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let line {
            let fields = String(cString: line).split(whereSeparator: { $0 == " " || $0 == "\n" })
                .map(String.init)
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 2, fields.count > 4
            else { continue }
            let options = fields.dropFirst(dash + 3).first?.split(separator: ",") ?? []
            let owner = options.first { $0.hasPrefix("user_id=") }.flatMap {
                uid_t($0.dropFirst(8))
            }
            mounts.append(
                Mount(
                    path: unescaped(fields[4]), type: fields[dash + 1],
                    source: unescaped(fields[dash + 2]),
                    owner: owner))
        }
        return mounts
    }

    /// `\040` and the like, by which the kernel writes blanks.
    private static func unescaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Substring(text)
        while let character = rest.first {
            rest.removeFirst()
            if character == "\\", let value = UInt8(rest.prefix(3), radix: 8) {
                bytes.append(value)
                rest.removeFirst(3)
            } else {
                bytes.append(contentsOf: String(character).utf8)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The mount at `path`; `nil` when nothing is mounted there.
    public static func mount(at path: String) -> Mount? { all().last { $0.path == path } }

    /// Takes a mount away that nobody serves any more.
    public static func detach(_ path: String) throws(MountError) {
        if umount2(path, Int32(MNT_DETACH)) == 0 { return }
        guard run(["fusermount3", "-u", "-z", "--", path]) else {
            throw MountError(
                "The stale mount on \(path) cannot be detached. As root: umount -l \(path)")
        }
    }

    /// Ends a mount that nobody uses.
    ///
    /// - throws: ``MountError`` when somebody does, naming programs that do
    public static func unmount(_ path: String) throws(MountError) {
        if umount2(path, Int32(UMOUNT_NOFOLLOW)) == 0 { return }
        let error = errno
        if error == EPERM, let mount = mount(at: path), let owner = mount.owner, owner != geteuid()
        {
            throw MountError(
                "\(path) was mounted by \(mount.ownerName ?? "user \(owner)"), and only that user and root can end it: sudo pacsfs unmount \(path)"
            )
        }
        if error == EPERM, run(["fusermount3", "-u", "--", path]) { return }
        guard error == EBUSY || error == EPERM else {
            throw MountError("\(path) cannot be unmounted: \(String(cString: strerror(error))).")
        }
        let users = users(of: path)
        throw MountError(
            "\(path) is in use" + (users.isEmpty ? "" : " by " + users.joined(separator: ", "))
                + ". Close the programs that have files or folders of it open, then try again.")
    }

    /// Programs that have something of the mount open, as far as /proc shows them.
    private static func users(of path: String) -> [String] {
        var found: [String] = []
        guard let processes = opendir("/proc") else { return [] }
        defer { closedir(processes) }
        while let entry = readdir(processes), found.count < 3 {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let process = pid_t(name), process != getpid() else { continue }
            var links = ["/proc/\(name)/cwd"]
            if let files = opendir("/proc/\(name)/fd") {
                while let file = readdir(files) {
                    let number = withUnsafePointer(to: &file.pointee.d_name) {
                        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                    }
                    links.append("/proc/\(name)/fd/\(number)")
                }
                closedir(files)
            }
            if links.contains(where: { target($0).map { AbsolutePath.isInside($0, path) } ?? false }
            ) {
                found.append("\(command(name) ?? "a program") (process \(name))")
            }
        }
        return found
    }

    private static func target(_ link: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
    }

    private static func command(_ process: String) -> String? {
        guard let file = fopen("/proc/\(process)/comm", "re") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer.prefix(count).prefix { $0 != 10 }, as: UTF8.self)
    }

    /// Runs a program and waits; whether it succeeded.
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
