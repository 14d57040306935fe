import Archive
import CLinux
import Foundation
import FuseServer
import Storage

// The archive's directory and what the configuration says.
extension Examination {
    private var file: String { archive + "/pacsfs.toml" }

    /// - returns: what it says, when that can be told
    mutating func checkConfiguration() -> Settings? {
        guard access(archive, F_OK) == 0 else {
            add(
                .problem, "archive",
                "There is none in \(archive). Make one with «pacsfs init», or name another with --archive."
            )
            return nil
        }
        guard access(file, R_OK) == 0 else {
            add(
                .problem, "archive",
                errno == EACCES
                    ? "\(file) cannot be read by this user. Run the command as the user whose archive it is, or with sudo."
                    : "\(archive) has no pacsfs.toml, and so is no archive. If it was one: pacsfs init --archive DIR --from VOLUME makes it anew."
            )
            return nil
        }
        let settings: Settings
        do { settings = try Settings(file: file) } catch {
            add(.problem, "configuration", "\(error)")
            return nil
        }
        var isGood = true
        for (group, name) in [(settings.readers, "readers"), (settings.writers, "writers")] {
            do { _ = try group?.number(in: file, as: name) } catch {
                add(.problem, "configuration", "\(error)")
                isGood = false
            }
        }
        if settings.readers != nil, settings.writers == nil {
            add(
                .attention, "configuration",
                "There are «readers» and no «writers»: everybody may add images, and see what waits in incoming. Name a group for «writers» in \(file)."
            )
            isGood = false
        }
        if isGood {
            let copies = Output.count(settings.copies, "copy", "copies")
            add(
                .ok, "configuration",
                "\(file): \(copies) on \(Output.count(settings.volumes.count, "volume", "volumes"))"
            )
        }
        return settings
    }

    mutating func checkDirectory() {
        let subject = "archive"
        let before = findings.count
        var status = stat()
        guard stat(archive, &status) == 0 else { return }
        if status.st_mode & 0o077 != 0 {
            add(
                .attention, subject,
                "\(archive) is open to other users, and the index tells what the images are. Close it with: chmod 700 \(archive)"
            )
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: archive)) ?? []
        let foreign = names.sorted().first { name in
            var own = stat()
            return lstat(archive + "/" + name, &own) == 0 && own.st_uid != status.st_uid
        }
        if let foreign {
            add(
                .problem, subject,
                "\(archive)/\(foreign) does not belong to the owner of the archive: a command was run as another user. Stop the daemon, then: chown -R --reference=\(archive) \(archive)"
            )
        }
        if access(archive + "/archive.json", R_OK) != 0 {
            add(
                .problem, subject,
                "\(archive)/archive.json is missing or cannot be read. Make the directory anew from a volume: pacsfs init --archive DIR --from VOLUME"
            )
        }
        if let place = FileSystemPlace(archive) {
            if place.isRemote {
                add(
                    .attention, subject,
                    "\(archive) is on a network file system (\(place.type)), on which the index can be damaged. Move the directory to a disk of this machine."
                )
            }
            if place.available < 64 << 20 {
                add(
                    .problem, subject,
                    "The disk of \(archive) is full: the index cannot grow. Make room.")
            } else if place.available < 1 << 30 {
                add(
                    .attention, subject,
                    "The disk of \(archive) has \(Output.bytes(place.available)) left. Make room: the index grows with the archive."
                )
            }
        }
        if findings.count == before { add(.ok, subject, archive) }
    }
}

/// The file system that a path is on.
struct FileSystemPlace {
    var device: UInt
    /// Where it is mounted, its type and what of, as /proc/self/mountinfo says.
    var mountpoint: String
    var type: String
    /// Bytes and files that can still be made by users.
    var available: Int64
    var total: Int64
    var availableFiles: Int64?
    var isReadOnly: Bool

    /// `nil` when the path is not there.
    init?(_ path: String) {
        var status = stat()
        var space = statvfs()
        guard stat(path, &status) == 0, statvfs(path, &space) == 0 else { return nil }
        device = status.st_dev
        let mount = Mountpoint.all().filter { AbsolutePath.isInside(path, $0.path) }
            .enumerated().max {
                ($0.element.path.count, $0.offset) < ($1.element.path.count, $1.offset)
            }?.element
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

    /// The disk, whichever of its partitions it is; a number of its own where that cannot be told.
    var disk: String {
        let link = "/sys/dev/block/\(gnu_dev_major(device)):\(gnu_dev_minor(device))"
        guard let path = realpath(link, nil) else { return String(device) }
        defer { free(path) }
        let own = String(cString: path)
        return access(own + "/partition", F_OK) == 0
            ? String(own[..<(own.lastIndex(of: "/") ?? own.endIndex)]) : own
    }
}
