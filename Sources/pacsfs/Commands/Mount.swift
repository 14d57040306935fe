import ArgumentParser
import Archive
import Foundation
import FuseServer

struct Mount: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the archive at a directory.",
        discussion: """
            Returns when the mount can be used; the daemon goes on behind it.

            Example:
              pacsfs mount /mnt/images
            """)

    @Argument(help: "An empty directory.")
    var mountpoint: String

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Stay in the foreground, for systemd.")
    var foreground = false

    @Flag(name: .long, help: "Serve all reads in the daemon, even where the kernel could do it alone.")
    var noPassthrough = false

    @Option(name: .long, help: .hidden)
    var readyFd: Int32?

    func run() throws {
        try reporting {
            let path = try archive.existing
            let mountpoint = Paths.absolute(mountpoint)
            if foreground || readyFd != nil {
                try serve(path, at: mountpoint)
            } else {
                // What can be told without the daemon is told without it.
                let settings = try Settings(file: path + "/pacsfs.toml")
                _ = try Permissions(settings, file: path + "/pacsfs.toml")
                try Mountpoint.prepare(mountpoint, keptOutside: [path] + settings.volumes.map(\.path))
                var arguments = ["mount", mountpoint, "--archive", path]
                if noPassthrough { arguments.append("--no-passthrough") }
                try Background.start(arguments, log: path + "/pacsfs.log")
                print("Mounted the archive \(path) on \(mountpoint).")
            }
        }
    }

    private func serve(_ path: String, at mountpoint: String) throws {
        let log = StandardErrorLog.logger()
        do {
            DaemonProcess.prepare()
            let settings = try Settings(file: path + "/pacsfs.toml")
            try Mountpoint.prepare(mountpoint, keptOutside: [path] + settings.volumes.map(\.path))
            let permissions = try Permissions(settings, file: path + "/pacsfs.toml")
            let archive = try Archive(at: path, log: log)
            let session = Session(
                archive: archive, mountpoint: mountpoint, permissions: permissions,
                allowsPassthrough: !noPassthrough, log: log)
            let control = try ControlServer(archive: archive, session: session, log: log)
            defer { control.stop() }
            let descriptor = readyFd
            try session.run(threads: 16) {
                // Not before: how images are read is settled only now.
                control.start()
                archive.startUpkeep()
                // What is wrong is logged, and told by status.
                DaemonProcess.onHangup { [archive] in _ = try? archive.reload() }
                Background.announceReady(on: descriptor)
                log.notice("Mounted \(path) on \(mountpoint).")
            }
            log.notice("Unmounted \(mountpoint).")
        } catch {
            Background.announce(Failure.text(error), on: readyFd)
            throw error
        }
    }
}
