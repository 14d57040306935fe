import Archive
import Foundation
import FuseServer
import Storage
import System

// Whether the archive is mounted, and answers.
extension DoctorReport {
    mutating func checkMounts() {
        let own = Paths.mountpoints().filter { $0.source == archive }
        let holder = Archive.holder(of: archive)
        let process = holder.map { " (process \($0))" } ?? ""
        for mount in own {
            let subject = "mount \(mount.path)"
            switch Mountpoint.answer(of: mount.path, within: Double(timeout)) {
            case .alive: add(.ok, subject, "answers")
            case .stale:
                add(
                    .problem, subject,
                    """
                    Its daemon has died. Mount it again, which goes on where that ended: pacsfs \
                    mount \(mount.path)\(ArchiveOption.argument(for: archive))
                    """
                )
            case .silent:
                add(
                    .problem, subject,
                    """
                    Its daemon\(process) does not answer. See the end of \(paths.log) and dmesg: \
                    does a disk hang? If it lasts: kill -9\(holder.map { " \($0)" } ?? ""), and: \
                    pacsfs mount \(mount.path)\(ArchiveOption.argument(for: archive))
                    """
                )
            }
            for inner in MountedFileSystem.all() where AbsolutePath.isBelow(inner.path, mount.path)
            {
                add(
                    .attention, subject,
                    """
                    \(inner.path) is mounted inside it (\(inner.type)), and hides the files there. \
                    End that: umount \(inner.path)
                    """
                )
            }
        }
        guard let holder else {
            if own.isEmpty { add(.ok, "mount", "the archive is not mounted") }
            return
        }
        checkDaemon(holder, isMounted: !own.isEmpty)
    }

    private mutating func checkDaemon(_ process: pid_t, isMounted: Bool) {
        let subject = "daemon"
        guard let daemon = DaemonConnection.connect(archive: archive) else {
            if isMounted {
                add(
                    .problem, subject,
                    """
                    Process \(process) shows the archive, but its control.sock cannot be reached: \
                    it was removed, or this user may not use it. Unmount and mount again.
                    """
                )
            } else {
                add(
                    .ok, subject,
                    """
                    process \(process) has the archive and does not show it: a command, or a \
                    daemon that starts or ends
                    """
                )
            }
            return
        }
        daemon.limit(seconds: timeout)
        do {
            let health = try daemon.status().health
            let level: Finding.Level =
                switch health.level {
                case .safe: .ok
                case .attention: .attention
                case .risk: .problem
                }
            add(level, subject, "process \(process): \(health.headline)")
        } catch {
            add(
                .problem, subject,
                """
                Process \(process) does not answer as it should: \(error) See also the end of \
                \(paths.log), and dmesg.
                """
            )
        }
    }
}
