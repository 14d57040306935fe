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

    @Flag(
        name: .long, help: "Serve all reads in the daemon, even where the kernel could do it alone."
    )
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
                let settings = try prepare(path, mountpoint)
                var arguments = ["mount", mountpoint, "--archive", path]
                if noPassthrough { arguments.append("--no-passthrough") }
                let notes = try Background.start(arguments, log: path + "/" + LogFile.name)
                print("Mounted the archive \(path) on \(mountpoint).")
                for note in notes { print("Note: \(note)") }
                if settings.readers == nil, settings.writers == nil,
                    let problem = Mountpoint.othersProblem()
                {
                    print("Note: \(problem)")
                }
            }
        }
    }

    /// - throws: ``ArchiveError`` or ``MountError`` when the archive cannot be mounted there
    private func prepare(_ path: String, _ mountpoint: String) throws -> Settings {
        let file = path + "/pacsfs.toml"
        let settings = try Settings(file: file)
        _ = try Permissions(settings, file: file)
        if settings.readers != nil || settings.writers != nil,
            let problem = Mountpoint.othersProblem()
        {
            throw MountError("\(file) lets groups in, and that cannot be. \(problem)")
        }
        let volumes = settings.volumes.map { Paths.absolute($0.path) }
        try Mountpoint.prepare(
            mountpoint, keptOutside: [path, Paths.absolute(path + "/pacsfs.log")] + volumes,
            volumes: volumes)
        Predecessor.awaitEnd(of: path)
        if let process = Archive.holder(of: path), let other = Paths.mountpoint(of: path) {
            throw MountError(
                "The archive \(path) is in use by process \(process), which shows it on \(other). It can be mounted once only; end that with: pacsfs unmount \(other)"
            )
        }
        return settings
    }

    private func serve(_ path: String, at mountpoint: String) throws {
        // In the background standard error is pacsfs.log.
        let log = StandardErrorLog.logger(
            file: readyFd == nil ? nil : LogFile(path + "/" + LogFile.name))
        do {
            DaemonProcess.prepare()
            let settings = try prepare(path, mountpoint)
            let permissions = try Permissions(settings, file: path + "/pacsfs.toml")
            let archive = try Archive(at: path, log: log)
            let session = Session(
                archive: archive, mountpoint: mountpoint, permissions: permissions,
                allowsPassthrough: !noPassthrough, log: log)
            let control = try ControlServer(archive: archive, session: session, log: log)
            defer { control.stop() }
            let descriptor = readyFd
            let notification = ServiceNotification()
            let watchdog = Watchdog(notification, mountpoint: mountpoint)
            try session.run(
                threads: 16,
                ready: {
                    // Not before: how images are read is settled only now.
                    control.start()
                    do { try archive.startMaintenance() } catch { log.error("\(error)") }
                    // What is wrong is logged, and told by status.
                    DaemonProcess.onHangup { [archive] in
                        notification.reloading()
                        _ = try? archive.reload(keptOutside: mountpoint)
                        notification.ready("Shows \(path) on \(mountpoint)")
                    }
                    let problem = archive.copiesProblem
                    Background.announceReady([problem].compactMap(\.self), on: descriptor)
                    if let problem { log.warning("\(problem)") }
                    log.notice("Mounted \(path) on \(mountpoint).")
                    notification.ready("Shows \(path) on \(mountpoint)")
                    watchdog?.start()
                },
                ending: {
                    watchdog?.stop()
                    notification.stopping()
                })
            log.notice("Unmounted \(mountpoint).")
        } catch {
            Background.announce(Failure.text(error), on: readyFd)
            throw error
        }
    }
}
