import ArgumentParser
import Archive
import FuseServer
import System

struct Mount: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the archive at a directory.",
        discussion: """
            Returns when the mount can be used; the daemon goes on in the background.

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

    /// The descriptor on which a daemon in the background says that it is ready.
    @Option(name: .long, help: .hidden)
    var readyFd: Int32?

    func run() throws {
        try reporting {
            let path = try archive.existing
            let mountpoint = Paths.absolute(mountpoint)
            if foreground || readyFd != nil {
                try serve(path, at: mountpoint)
            } else {
                try launch(path, at: mountpoint)
            }
        }
    }

    /// Starts the daemon in the background.
    private func launch(_ path: String, at mountpoint: String) throws {
        // Mistakes that can be found without the daemon are found before it starts.
        let settings = try prepare(path, mountpoint)
        var arguments = ["mount", mountpoint, "--archive", path]
        if noPassthrough { arguments.append("--no-passthrough") }
        let notes = try DaemonLauncher.start(arguments, log: ArchivePaths(path).log)
        Output.line("Mounted the archive \(path) on \(mountpoint).")
        Output.lines(notes.map { "Note: \($0)" })
        if settings.readers == nil, settings.writers == nil,
            let problem = Mountpoint.othersProblem()
        {
            Output.line("Note: \(problem)")
        }
    }

    /// - Throws: ``ArchiveError`` or ``MountError`` when the archive cannot be mounted there.
    private func prepare(_ path: String, _ mountpoint: String) throws -> Settings {
        let file = ArchivePaths(path).configuration
        let settings = try Settings(file: file)
        _ = try Permissions(settings, file: file)
        if settings.readers != nil || settings.writers != nil,
            let problem = Mountpoint.othersProblem()
        {
            throw MountError(
                .configuration, "\(file) lets groups in, which is not possible here. \(problem)")
        }
        let volumes = settings.volumes.map { Paths.absolute($0.path) }
        try Mountpoint.prepare(
            mountpoint, keptOutside: [path, Paths.absolute(ArchivePaths(path).log)] + volumes,
            volumes: volumes)
        ExitingDaemon.wait(for: path)
        if let process = Archive.holder(of: path), let other = Paths.mountpoint(of: path) {
            throw MountError(
                .inUse,
                """
                The archive \(path) is mounted on \(other) already, by process \(process). It can \
                be mounted only once. To end that mount: pacsfs unmount \(other)
                """
            )
        }
        return settings
    }

    private func serve(_ path: String, at mountpoint: String) throws {
        // In the background standard error is pacsfs.log.
        let log = StandardErrorLog.logger(
            file: readyFd == nil ? nil : LogFile(ArchivePaths(path).log))
        do {
            DaemonProcess.prepare()
            let settings = try prepare(path, mountpoint)
            let permissions = try Permissions(settings, file: ArchivePaths(path).configuration)
            let archive = try Archive(at: path, log: log, recoversLater: true)
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
                    // Not earlier: how images are read is only known now.
                    control.start()
                    do { try archive.startMaintenance() } catch { log.error("\(error)") }
                    // A mistake in the file is logged, and "pacsfs status" shows it.
                    let onHangup = { @Sendable [archive] in
                        notification.reloading()
                        _ = try? archive.reload(keptOutside: mountpoint)
                        notification.ready("Shows \(path) on \(mountpoint)")
                    }
                    do throws(Errno) {
                        try DaemonProcess.onHangup(onHangup)
                        try watchdog?.start()
                    } catch {
                        log.error("Neither SIGHUP nor the watchdog of systemd works: \(error)")
                    }
                    let problem = archive.copiesProblem
                    DaemonLauncher.announceReady([problem].compactMap(\.self), on: descriptor)
                    if let problem { log.warning("\(problem)") }
                    log.notice("Mounted \(path) on \(mountpoint).")
                    notification.ready("Shows \(path) on \(mountpoint)")
                },
                ending: {
                    watchdog?.stop()
                    notification.stopping()
                })
            log.notice("Unmounted \(mountpoint).")
        } catch {
            DaemonLauncher.announce(Failure.lines(error), on: readyFd)
            throw error
        }
    }
}
