import Archive
import Glibc
import System

/// A daemon that still has the archive and is about to end: `umount` returns before the daemon has
/// finished writing, and one that was killed keeps its lock until its last thread has ended.
enum ExitingDaemon {
    /// Waits up to 30 s until it has ended.
    static func wait(for archive: String) {
        let end = SystemClock().now + 30_000_000_000
        var isAnnounced = false
        while let process = Archive.holder(of: archive), isEnding(process, archive),
            SystemClock().now < end
        {
            guard let watched = try? WatchedProcess(process) else { continue }
            // Looked at again: the number may belong to another process by now.
            guard Archive.holder(of: archive) == process else { continue }
            if !isAnnounced {
                Output.error(
                    "Waiting for the daemon (process \(process)) that still has \(archive)…")
            }
            isAnnounced = true
            _ = watched.waitForEnd(until: end)
        }
    }

    private static func isEnding(_ process: pid_t, _ archive: String) -> Bool {
        if RunningProcess.isEnding(process) { return true }
        return RunningProcess.arguments(of: process)?.dropFirst().first == "mount"
            && Paths.mountpoint(of: archive) == nil
    }
}
