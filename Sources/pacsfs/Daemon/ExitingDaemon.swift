import Archive
import Glibc
import System

/// A daemon whose mount has gone and that still has the archive: `umount` returns before the daemon
/// has finished writing.
enum ExitingDaemon {
    /// Waits up to 30 s until it has ended.
    static func wait(for archive: String) {
        let end = SystemClock().now + 30_000_000_000
        var isAnnounced = false
        while let process = Archive.holder(of: archive), Paths.mountpoint(of: archive) == nil,
            isDaemon(process), SystemClock().now < end
        {
            guard let watched = try? WatchedProcess(process) else { continue }
            // Looked at again: the number may belong to another process by now.
            guard Archive.holder(of: archive) == process else { continue }
            if !isAnnounced {
                Output.error(
                    "Waiting for the daemon (process \(process)) that is still writing to "
                        + "\(archive)…")
            }
            isAnnounced = true
            _ = watched.waitForEnd(until: end)
        }
    }

    /// Whether a process was started as `pacsfs mount`.
    private static func isDaemon(_ process: pid_t) -> Bool {
        RunningProcess.arguments(of: process)?.dropFirst().first == "mount"
    }
}
