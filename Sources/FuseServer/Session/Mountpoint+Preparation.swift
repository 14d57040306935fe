import CLinux
import Glibc
import Storage
import System

// Everything that can be found out before mounting is reported in a sentence of our own; messages
// of libfuse and fusermount3 go to the log.
extension Mountpoint {
    /// Makes sure that `path` can be a mount point. A mount whose daemon has died is detached.
    ///
    /// - Parameters:
    ///   - path: Absolute, without symbolic links.
    ///   - keptOutside: Files and folders that must not be below it: the daemon would wait for
    ///     itself.
    ///   - volumes: Folders that it must not be in: the mount would hide a part of them.
    /// - Throws: ``MountError``.
    public static func prepare(
        _ path: String, keptOutside: [String], volumes: [String] = []
    ) throws(MountError) {
        try clear(path)
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw MountError(
                .badMountpoint,
                errno == ENOENT
                    ? "There is no directory \(path). Make it with: mkdir -p \(path)"
                    : "\(path) cannot be mounted on: \(Errno.last).")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw MountError(
                .badMountpoint, "\(path) is not a directory. Choose an empty directory to mount on."
            )
        }
        for other in keptOutside where AbsolutePath.isInside(other, path) {
            throw MountError(
                .badMountpoint,
                """
                \(other) belongs to the archive and lies in \(path), which would be hidden by \
                the mount. Choose another mount point.
                """
            )
        }
        for volume in volumes where AbsolutePath.isBelow(path, volume) {
            throw MountError(
                .badMountpoint,
                """
                \(path) lies in the volume \(volume), which holds nothing but images and the \
                ledger. Choose another mount point.
                """
            )
        }
        guard isEmpty(path) else {
            throw MountError(
                .badMountpoint,
                """
                \(path) is not empty; its files would be hidden by the mount. Choose an empty \
                directory. If images were copied there while nothing was mounted: pacsfs import \
                \(path), then move them away and mount.
                """
            )
        }
        if let problem = deviceProblem() { throw MountError(.unavailable, problem) }
        guard !Capabilities.effective.contains(.systemAdministration) else { return }
        if let problem = helperProblem() { throw MountError(.unavailable, problem) }
        guard geteuid() == 0 || access(path, W_OK) == 0 else {
            throw MountError(
                .badMountpoint,
                """
                \(path) is not yours to mount on: users mount on directories that they may write \
                to. Choose one of your own, or change it with: sudo chown \(geteuid()) \(path)
                """
            )
        }
    }

    /// Detaches the mount that a dead daemon left.
    ///
    /// - Throws: ``MountError`` when anything else is mounted there.
    private static func clear(_ path: String) throws(MountError) {
        guard let existing = mount(at: path) else { return }
        guard existing.type == "fuse.pacsfs" else {
            throw MountError(
                .inUse,
                """
                \(path) has something else mounted on it (\(existing.type)). Choose an empty \
                directory.
                """
            )
        }
        switch answer(of: path, within: 30) {
        case .stale: try detach(path)
        case .silent:
            throw MountError(
                .noAnswer,
                """
                The pacsfs that is mounted on \(path) does not answer. When it still does not in \
                a minute, end its process with \"kill -9\", and mount again.
                """
            )
        case .alive:
            // It may have answered while it was being unmounted.
            guard mount(at: path) != nil else { return }
            throw MountError(
                .inUse,
                """
                \(path) is mounted already, with the archive \(existing.source). End that with: \
                pacsfs unmount \(path)
                """
            )
        }
    }

    private static func isEmpty(_ path: String) -> Bool {
        guard let stream = opendir(path) else { return true }
        defer { closedir(stream) }
        var count = 0
        while readdir(stream) != nil { count += 1 }
        return count <= 2
    }

    /// Why /dev/fuse cannot be used, and what to do; `nil` when it can.
    public static func deviceProblem() -> String? {
        let descriptor = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        if descriptor >= 0 {
            close(descriptor)
            return nil
        }
        switch errno {
        case ENOENT, ENODEV, ENXIO:
            return
                """
                There is no /dev/fuse: the kernel's FUSE module is not loaded. Try: sudo \
                modprobe fuse. In a container, start it with: --device /dev/fuse --cap-add \
                SYS_ADMIN
                """
        case EACCES where access("/dev/fuse", R_OK | W_OK) != 0:
            return
                """
                /dev/fuse is closed to users. Open it with: sudo chmod 666 /dev/fuse, or mount \
                as root.
                """
        case EPERM, EACCES:
            return
                """
                /dev/fuse may not be used here. A container must be started with: --device \
                /dev/fuse --cap-add SYS_ADMIN
                """
        default:
            return "/dev/fuse cannot be opened: \(Errno.last)."
        }
    }

    /// Why fusermount3, by which users mount, cannot; `nil` when it can.
    public static func helperProblem() -> String? {
        let folders = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").map(
            String.init)
        for folder in folders + ["/usr/bin", "/bin"] {
            let path = folder + "/fusermount3"
            var status = stat()
            guard stat(path, &status) == 0, access(path, X_OK) == 0 else { continue }
            guard geteuid() == 0 || status.st_mode & S_ISUID != 0 && status.st_uid == 0 else {
                return
                    """
                    \(path), by which users mount, has lost the right to: sudo chown root \
                    \(path) && sudo chmod u+s \(path)
                    """
            }
            guard geteuid() == 0 || pacsfs_no_new_privileges() != 1 else {
                return
                    """
                    fusermount3 cannot become root here (NoNewPrivileges of systemd, or a \
                    container without privileges). Allow that, or run pacsfs with the capability \
                    CAP_SYS_ADMIN.
                    """
            }
            return nil
        }
        return
            "There is no fusermount3, by which users mount. Install it with: sudo apt install fuse3"
    }

    /// Why other users will not see a mount of this one; `nil` when they will.
    public static func othersProblem() -> String? {
        Session.mayAllowOthers
            ? nil
            : """
            Only you will see the mount: /etc/fuse.conf does not allow more. Root can change \
            that with: echo user_allow_other >>/etc/fuse.conf
            """
    }
}
