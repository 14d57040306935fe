import Archive
import Glibc
import System

/// A daemon whose mount has gone and that still has the archive: `umount` returns before the daemon
/// has finished writing.
enum ExitingDaemon {
    /// Waits up to 30 s until it has ended.
    static func wait(for archive: String) {
        let end = ContinuousClock.now + .seconds(30)
        var isAnnounced = false
        while let process = Archive.holder(of: archive), Paths.mountpoint(of: archive) == nil,
            isDaemon(process), ContinuousClock.now < end
        {
            if !isAnnounced {
                Output.error(
                    "Waiting for the daemon (process \(process)) that is still writing to "
                        + "\(archive)…")
            }
            isAnnounced = true
            usleep(50_000)
        }
    }

    /// Whether a process was started as `pacsfs mount`.
    private static func isDaemon(_ process: pid_t) -> Bool {
        RunningProcess.arguments(of: process)?.dropFirst().first == "mount"
    }
}
