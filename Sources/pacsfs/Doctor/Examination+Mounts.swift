import Archive
import Foundation
import FuseServer
import Storage

// Whether the archive is shown, and answers.
extension Examination {
    mutating func checkMounts() {
        let all = Mountpoint.all()
        let own = all.filter { $0.type == "fuse.pacsfs" && $0.source == archive }
        let holder = Archive.holder(of: archive)
        let process = holder.map { " (process \($0))" } ?? ""
        for mount in own {
            let subject = "mount \(mount.path)"
            switch Mountpoint.answer(of: mount.path, within: Double(patience)) {
            case .alive: add(.ok, subject, "answers")
            case .stale:
                add(
                    .problem, subject,
                    "Its daemon has died. Mount it again, which takes up where that ended: pacsfs mount \(mount.path)\(ArchiveOption.argument(for: archive))"
                )
            case .silent:
                add(
                    .problem, subject,
                    "Its daemon\(process) does not answer. See the end of \(archive)/pacsfs.log and dmesg: a disk that hangs? When it goes on: kill -9\(holder.map { " \($0)" } ?? ""), and: pacsfs mount \(mount.path)\(ArchiveOption.argument(for: archive))"
                )
            }
            for inner in all where AbsolutePath.isBelow(inner.path, mount.path) {
                add(
                    .attention, subject,
                    "\(inner.path) is mounted inside it (\(inner.type)), and hides what is there. Take it away: umount \(inner.path)"
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
        guard let connection = ControlConnection.connect(archive: archive) else {
            if isMounted {
                add(
                    .problem, subject,
                    "Process \(process) shows the archive, and its control.sock cannot be reached. Somebody removed it, or this user may not use it. Unmount and mount again."
                )
            } else {
                add(
                    .ok, subject,
                    "process \(process) has the archive, and does not show it: a command that runs, or a daemon that starts or ends"
                )
            }
            return
        }
        connection.limit(seconds: patience)
        do {
            guard case .status(let status) = try connection.ask(.status) else {
                return add(
                    .problem, subject,
                    "Process \(process) cannot tell how the archive is. See the end of \(archive)/pacsfs.log."
                )
            }
            let level: Finding.Level =
                switch status.health.level {
                case .safe: .ok
                case .attention: .attention
                case .risk: .problem
                }
            add(level, subject, "process \(process): \(status.health.headline)")
        } catch {
            add(
                .problem, subject,
                "Process \(process) does not answer on control.sock. See the end of \(archive)/pacsfs.log, and dmesg."
            )
        }
    }
}
