import ArgumentParser
import Archive
import Foundation
import FuseServer
import System

struct Unmount: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a mount.",
        discussion: """
            Returns when everything is on disk and the daemon has ended.

            Example:
              pacsfs unmount /mnt/images
            """)

    @Argument(help: "Where the archive is mounted.")
    var mountpoint: String

    func run() throws {
        try reporting {
            let mountpoint = Paths.absolute(mountpoint)
            guard let mount = Mountpoint.mount(at: mountpoint), mount.type == "fuse.pacsfs" else {
                throw MountError(.notMounted, "No archive is mounted on \(mountpoint).")
            }
            switch Mountpoint.answer(of: mountpoint, within: 30) {
            case .alive: break
            case .stale:
                try Mountpoint.detach(mountpoint)
                return Output.line(
                    "Removed the mount on \(mountpoint); its daemon had died before.")
            case .silent:
                let process = Archive.holder(of: mount.source).map { " (process \($0))" } ?? ""
                throw MountError(
                    .noAnswer,
                    """
                    The daemon\(process) of \(mountpoint) does not answer. If it still does not in \
                    a minute, end it with "kill -9", and run this command again.
                    """
                )
            }
            let daemon = Archive.holder(of: mount.source)
            try Mountpoint.unmount(mountpoint)
            if let daemon { Self.wait(for: daemon, of: mount.source) }
            Output.line("Unmounted \(mountpoint).")
        }
    }

    /// Waits until the daemon has finished writing; after 5 s it says so.
    private static func wait(for daemon: pid_t, of archive: String) {
        // Looked at again: the number may belong to another process by now.
        guard let process = try? WatchedProcess(daemon), Archive.holder(of: archive) == daemon
        else { return }
        if process.waitForEnd(until: SystemClock().now + 5_000_000_000) { return }
        Output.line("Waiting for the daemon (process \(daemon)) to finish writing…")
        _ = process.waitForEnd()
    }
}
