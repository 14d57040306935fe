import Archive
import CLinux
import Foundation
import FuseServer
import System

// The archive's directory and its configuration.
extension DoctorReport {
    private var file: String { paths.configuration }

    /// - Returns: The settings; `nil` when they cannot be read.
    mutating func checkConfiguration() -> Settings? {
        guard access(archive, F_OK) == 0 else {
            add(
                .problem, "archive",
                """
                There is none in \(archive). Make one with "pacsfs init", or name another with \
                --archive.
                """
            )
            return nil
        }
        guard access(file, R_OK) == 0 else {
            add(
                .problem, "archive",
                Errno.last.code == EACCES
                    ? """
                    \(file) cannot be read by this user. Run the command as the user whose \
                    archive it is, or with sudo.
                    """
                    : """
                    \(archive) has no pacsfs.toml, so it is not an archive. If it was one: \
                    pacsfs init --archive DIR --from VOLUME makes it anew.
                    """
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
                """
                There are "readers" but no "writers": everybody may add images, and see what waits \
                in incoming. Name a group for "writers" in \(file).
                """
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
        let mount = MountedFileSystem.holding(archive)
        if status.st_mode & 0o077 != 0, mount?.isPrivate != true {
            add(
                .attention, subject,
                """
                \(archive) is open to other users, and the index says whose images there are. \
                \(Self.closing([archive], on: mount))
                """
            )
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: archive)) ?? []
        let foreign = names.sorted().first { name in
            var own = stat()
            return lstat(archive + "/" + name, &own) == 0 && own.st_uid != status.st_uid
        }
        if let foreign, mount?.hasOwners != false {
            add(
                .problem, subject,
                """
                \(archive)/\(foreign) does not belong to the owner of the archive: a command was \
                run as another user. Stop the daemon, then: chown -R --reference=\(archive) \
                \(archive)
                """
            )
        }
        if RegularFile.isTaken(paths.identity) {
            add(
                .problem, subject,
                "\(paths.identity) is not a plain file. Look at what it is, and put it back.")
        } else if access(paths.identity, R_OK) != 0 {
            add(
                .problem, subject,
                """
                \(paths.identity) is missing or cannot be read. Make the directory anew from a \
                volume: pacsfs init --archive DIR --from VOLUME
                """
            )
        }
        if let disk = FileSystemOfPath(archive) {
            if disk.isRemote {
                add(
                    .attention, subject,
                    """
                    \(archive) is on a network file system (\(disk.type)), on which the index can \
                    be damaged. Move the directory to a disk of this machine.
                    """
                )
            }
            if disk.available < 64 << 20 {
                add(
                    .problem, subject,
                    "The disk of \(archive) is full: the index cannot grow. Make room.")
            } else if disk.available < 1 << 30 {
                add(
                    .attention, subject,
                    """
                    The disk of \(archive) has \(Output.bytes(disk.available)) left. Make room: \
                    the index grows with the archive.
                    """
                )
            }
        }
        if findings.count == before { add(.ok, subject, archive) }
    }
}
