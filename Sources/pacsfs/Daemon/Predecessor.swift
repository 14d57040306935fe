import Archive
import Foundation
import FuseServer

/// A daemon that has the archive still while its mount has gone: `umount` returns before it has
/// finished writing.
enum Predecessor {
    /// Waits until it has gone, for a while.
    static func awaitEnd(of archive: String) {
        let end = Date.now + 30
        var isSaid = false
        while let process = Archive.holder(of: archive), Paths.mountpoint(of: archive) == nil,
            isDaemon(process),
            Date.now < end
        {
            if !isSaid {
                Output.error(
                    "Waiting for the daemon (process \(process)) that is finishing what it has of \(archive)…"
                )
            }
            isSaid = true
            usleep(50_000)
        }
    }

    /// Whether a process was started with `pacsfs mount`.
    private static func isDaemon(_ process: pid_t) -> Bool {
        let words = (FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data())
            .split(separator: 0)
        return words.count > 1 && words[1].elementsEqual("mount".utf8)
    }
}
