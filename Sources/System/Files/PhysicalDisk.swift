import CLinux
import Glibc

/// What a file system lies on, down to the disks that can fail: partitions, volumes of LVM, loop
/// devices and subvolumes lead to the disks below them.
///
/// An array that survives the loss of a disk (RAID 1, 5, 6, 10) is one disk here. What lies below a
/// network file system, or below a virtual disk, cannot be told: each is a disk of its own.
///
/// See: 'man 5 sysfs', 'man 8 lsblk'
public struct PhysicalDisk: Hashable, Sendable {
    /// For people: the device of the file system, such as `/dev/vda1`; else what is mounted.
    public var device: String
    /// Names of the disks, such as `vda`.
    public var disks: Set<String>

    public init(device: String, disks: Set<String>) {
        self.device = device
        self.disks = disks
    }

    /// The disk of a file or directory; `nil` when it is not there.
    public init?(_ path: String) { self.init(path, depth: 0) }

    /// The disk of the nearest directory on the way to a path that may not be there yet.
    public static func below(_ path: String) -> PhysicalDisk? {
        var path = path
        while true {
            if let disk = PhysicalDisk(path) { return disk }
            guard let slash = path.lastIndex(of: "/"), path != "/" else { return nil }
            path = slash == path.startIndex ? "/" : String(path[..<slash])
        }
    }

    /// The name of a disk that both lie on, for people; `nil` when there is none.
    public func shared(with other: PhysicalDisk) -> String? {
        let common = disks.intersection(other.disks)
        guard let name = common.min() else { return nil }
        return device == other.device ? device : Self.shown(name)
    }

    /// Names of the disks, for people.
    public var names: String { disks.map(Self.shown).sorted().joined(separator: ", ") }

    private static func shown(_ name: String) -> String {
        access("/dev/\(name)", F_OK) == 0 ? "/dev/\(name)" : name
    }

    // MARK: Finding out

    private init?(_ path: String, depth: Int) {
        var status = stat()
        guard depth < 8, stat(path, &status) == 0 else { return nil }
        let device = status.st_dev
        if gnu_dev_major(device) != 0 {
            let folder = Self.folder(of: device)
            self.init(
                device: folder.map { "/dev/\(Self.name($0))" } ?? Self.number(device),
                disks: folder.map { Self.disks(in: $0, depth: depth) } ?? [Self.number(device)])
            return
        }
        // A number without a device: the mount table names what is below.
        let mount = Self.mount(of: path)
        let source = mount?.source ?? ""
        var below = stat()
        if source.hasPrefix("/dev/"), stat(source, &below) == 0, below.st_mode & S_IFMT == S_IFBLK,
            let folder = Self.folder(of: below.st_rdev)
        {
            self.init(device: source, disks: Self.disks(in: folder, depth: depth))
        } else if mount?.type == "zfs", let pool = source.split(separator: "/").first {
            self.init(device: source, disks: ["pool \(pool)"])
        } else {
            let number = Self.number(device)
            self.init(
                device: source.isEmpty ? number : source,
                disks: ["\(mount?.type ?? "device") \(number)"])
        }
    }

    private static func mount(of path: String) -> MountedFileSystem? {
        guard let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        return .holding(String(cString: real))
    }

    private static func number(_ device: dev_t) -> String {
        "\(gnu_dev_major(device)):\(gnu_dev_minor(device))"
    }

    /// The folder of a block device in sysfs; `nil` when sysfs has none.
    private static func folder(of device: dev_t) -> String? { folder(number(device)) }

    private static func folder(_ number: String) -> String? {
        guard let path = realpath("/sys/dev/block/\(number)", nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }

    private static func name(_ folder: String) -> String {
        // A slash in the name of a device is an exclamation mark here.
        String((folder.split(separator: "/").last ?? "").map { $0 == "!" ? "/" : $0 })
    }

    private static func disks(in folder: String, depth: Int) -> Set<String> {
        guard depth < 8 else { return [name(folder)] }
        if access(folder + "/partition", F_OK) == 0, let slash = folder.lastIndex(of: "/") {
            return disks(in: String(folder[..<slash]), depth: depth + 1)
        }
        if let file = ProcFile.lines(of: folder + "/loop/backing_file").first,
            let below = PhysicalDisk(String(file), depth: depth + 1)
        {
            return below.disks
        }
        if let level = ProcFile.lines(of: folder + "/md/level").first,
            level != "linear", level != "raid0"
        {
            return [name(folder)]
        }
        var disks: Set<String> = []
        for below in entries(of: folder + "/slaves") {
            guard let number = ProcFile.lines(of: "\(folder)/slaves/\(below)/dev").first,
                let other = Self.folder(String(number))
            else { continue }
            disks.formUnion(Self.disks(in: other, depth: depth + 1))
        }
        return disks.isEmpty ? [name(folder)] : disks
    }

    private static func entries(of path: String) -> [String] {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        let names = (try? DirectoryEntry.names(in: descriptor)) ?? []
        return names.map { String(decoding: $0, as: UTF8.self) }
    }
}
