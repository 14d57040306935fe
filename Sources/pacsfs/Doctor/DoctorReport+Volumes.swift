import Archive
import Foundation
import Storage
import System

// The volumes: whether they are there, are the right ones, and are closed to others.
extension DoctorReport {
    mutating func checkVolumes(_ settings: Settings) {
        let identity = (try? RegularFile.content(of: paths.identity))
            .flatMap { try? JSONDecoder().decode(Identity.self, from: Data($0)) }
        var disks: [(path: String, disk: PhysicalDisk)] = []
        var lastRecord: Timestamp?
        let bootMounts = BootMounts()
        for place in settings.volumes {
            let path = Paths.absolute(place.path)
            let subject = "volume \(place.path)"
            let before = findings.count
            guard let volume = present(path, subject, archive: identity?.archive, bootMounts) else {
                continue
            }
            if let space = FileSystemOfPath(path) {
                let disk = PhysicalDisk(path)
                if let disk, settings.copies > 1 {
                    for other in disks {
                        guard let name = other.disk.shared(with: disk) else { continue }
                        add(
                            .attention, subject,
                            """
                            NOT SAFE: it is on one disk with \(other.path) (\(name)): if that \
                            fails, both are lost. Mount the disk that belongs here; or add a \
                            volume on another disk: pacsfs volume add DIR
                            """
                        )
                        break
                    }
                }
                if let disk { disks.append((place.path, disk)) }
                checkSpace(space, subject)
                if space.mountpoint != "/", space.device != FileSystemOfPath(archive)?.device,
                    let problem = bootMounts.problem(space.mountpoint)
                {
                    add(.attention, subject, problem)
                }
            }
            checkAccess(volume, subject)
            if let time = volume.lastRecordTime { lastRecord = max(lastRecord ?? time, time) }
            if findings.count == before { add(.ok, subject, "is there, and is the archive's") }
        }
        for path in settings.removable { checkRemovable(path, identity?.archive, disks) }
        if let lastRecord, Timestamp.now().nanoseconds + 2_000_000_000 < lastRecord.nanoseconds {
            add(
                .problem, "clock",
                """
                The clock shows \(Output.time(Timestamp.now().nanoseconds)), but the last record \
                was written at \(Output.time(lastRecord.nanoseconds)). Set it (timedatectl), \
                before images get wrong dates.
                """
            )
        }
    }

    /// A disk that is taken home: it may be away, and must not be another's.
    private mutating func checkRemovable(
        _ place: String, _ id: String?, _ volumes: [(path: String, disk: PhysicalDisk)]
    ) {
        let (path, subject) = (Paths.absolute(place), "removable volume \(place)")
        guard let volume = try? InspectedVolume(at: path) else {
            return add(.ok, subject, "is not here; it gets what it lacks when it is plugged in")
        }
        guard case .success(let identity) = volume.identity, identity.archive == id else {
            return add(
                .attention, subject,
                """
                The disk that is there is no volume of this archive, and gets nothing. Plug in \
                another, or make it one: pacsfs volume add \(place) --role removable
                """)
        }
        if let disk = PhysicalDisk(path),
            let other = volumes.first(where: { $0.disk.shared(with: disk) != nil })
        {
            return add(
                .attention, subject,
                """
                It is on one disk with \(other.path), which is not taken home: is its own disk \
                mounted?
                """)
        }
        if let space = FileSystemOfPath(path) { checkSpace(space, subject) }
        add(.ok, subject, "is here, and is the archive's")
    }

    private struct Identity: Decodable {
        var archive: String
    }

    /// The volume, when it can be looked at.
    private mutating func present(
        _ path: String, _ subject: String, archive id: String?, _ bootMounts: BootMounts
    ) -> InspectedVolume? {
        let volume: InspectedVolume
        do { volume = try InspectedVolume(at: path) } catch {
            add(
                .problem, subject,
                error.code == .notFound
                    ? "It is not there. \(bootMounts.advice(for: path)) \(Self.otherWays(path))"
                    : "\(error)")
            return nil
        }
        switch volume.identity {
        case .success(let identity):
            if let id, identity.archive != id {
                add(
                    .problem, subject,
                    """
                    It belongs to another archive (\(identity.archive)). Mount the right disk \
                    there, or correct the path in pacsfs.toml.
                    """
                )
                return nil
            }
        case .failure(let error):
            add(
                .problem, subject,
                volume.hasLayout
                    ? "\(error)"
                    : """
                    It is empty: its disk is not mounted, or a new one is. \
                    \(bootMounts.advice(for: path)) \(Self.otherWays(path))
                    """
            )
            return nil
        }
        return volume
    }

    /// What can be done when the disk of a volume is dead.
    private static func otherWays(_ path: String) -> String {
        """
        If it is dead, put an empty disk in its place: pacsfs volume replace \(path) [NEW-DIR]; or \
        add another: pacsfs volume add DIR
        """
    }

    private mutating func checkSpace(_ space: FileSystemOfPath, _ subject: String) {
        if space.isReadOnly {
            add(
                .problem, subject,
                "Its file system is read-only. See dmesg, check it, and mount it again.")
        }
        if space.available < Volume.defaultReserve(ofTotal: space.total) {
            add(
                .problem, subject,
                "It is full: new images are not stored there. Add a volume: pacsfs volume add DIR")
        } else if space.available < space.total / 20 {
            add(
                .attention, subject,
                """
                It has \(Output.bytes(space.available)) left, less than a twentieth. Add a volume \
                soon: pacsfs volume add DIR
                """
            )
        }
        if let files = space.availableFiles, files < 10_000 {
            add(
                files < 100 ? .problem : .attention, subject,
                """
                Its file system has room for \(files) more files only (inodes). Add a volume: \
                pacsfs volume add DIR
                """
            )
        }
    }

    /// How folders are closed to other users: where the file system keeps no modes, chmod(1)
    /// changes nothing.
    static func closing(_ folders: [String], on mount: MountedFileSystem?) -> String {
        guard let mount, !mount.hasModes else {
            return "Close it with: chmod 700 \(folders.joined(separator: " "))"
        }
        return """
            Its file system (\(mount.type)) keeps no modes: mount \(mount.path) with options that \
            keep others out, such as umask=077 (man 8 mount)
            """
    }

    private mutating func checkAccess(_ volume: InspectedVolume, _ subject: String) {
        let open = volume.folders.filter { $0.mode & 0o077 != 0 }.map {
            "\(volume.path)/\($0.name)"
        }
        let mount = MountedFileSystem.holding(volume.path)
        if !open.isEmpty, mount?.isPrivate != true {
            add(
                .attention, subject,
                "Other users reach its images past the mount. \(Self.closing(open, on: mount))")
        }
        var status = stat()
        guard stat(archive, &status) == 0 else { return }
        let exposed = volume.exposedFolders(owner: status.st_uid)
        if let writable = exposed?.writable, !writable.isEmpty {
            add(
                .problem, subject,
                """
                Other users can move away what is in it, so it is not used. Close it with: \
                chmod go-w \(writable.joined(separator: " "))
                """
            )
        }
        let foreign =
            volume.folders.first { $0.uid != status.st_uid && mount?.hasOwners != false }.map {
                "\(volume.path)/\($0.name)"
            }
            ?? exposed?.foreign.first
        if let foreign {
            add(
                .problem, subject,
                """
                \(foreign) does not belong to the owner of the archive. Stop \
                the daemon, then: chown -R --reference=\(archive) \(volume.path)
                """
            )
        }
    }
}
