import ArgumentParser
import Archive

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Are we safe?",
        discussion: """

            The first line says what one failed disk would cost; it begins with "Safe" only when \
            that is nothing. Volumes that lie on one disk count as one copy.

            Exit code: 0 all is well, 1 something wants attention (also: not mounted, or not safe \
            because one disk has all copies of an image), 2 data is at risk.

            Examples:
              pacsfs status
              pacsfs status --html >status.html
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @Flag(name: .long, help: "Print a page for a browser: status.html of the mount.")
    var html = false

    func validate() throws {
        if json, html { throw ValidationError("--json and --html exclude each other.") }
    }

    func run() throws {
        try reporting {
            let status = try Self.status(of: try archive.existing)
            if json {
                try Output.json(status)
            } else if html {
                Output.document(StatusPage(status).html(at: status.time))
            } else {
                Output.lines(StatusText.lines(status))
            }
            switch status.health.level {
            case .safe: break
            case .attention: throw ExitStatus.attention.code
            case .risk: throw ExitStatus.failure.code
            }
        }
    }

    /// From the daemon if one runs, else from the archive itself.
    static func status(of path: String) throws -> ArchiveStatus {
        if let daemon = DaemonConnection.connect(archive: path) { return try daemon.status() }
        let archive = try Archive(at: path, log: StandardErrorLog.logger(level: .critical))
        defer { archive.close() }
        var status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        if let mountpoint = Paths.mountpoint(of: path) {
            status.health.add(
                attention:
                    """
                    The daemon that showed the archive on \(mountpoint) has died: images can be \
                    neither seen nor added. Mount it again: pacsfs mount \
                    \(mountpoint)\(ArchiveOption.argument(for: path))
                    """
            )
        } else {
            status.health.add(
                unmounted: "Mount it: pacsfs mount MOUNTPOINT\(ArchiveOption.argument(for: path))")
        }
        return status
    }
}
