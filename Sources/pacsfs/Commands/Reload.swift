import ArgumentParser
import Archive

struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a changed pacsfs.toml into use.",
        discussion: """
            Views, settle, ignore, ignore_case and scrub are in use at once; new views are made in \
            the background and appear when they are complete. Other settings need a restart of the \
            daemon. If there is a mistake in the file, nothing changes. SIGHUP does the same.

            Example:
              pacsfs reload
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            let document = try Self.reload(path)
            if json { try Output.json(document) } else { Output.lines(Self.lines(document)) }
            if !document.waiting.isEmpty || !document.notes.isEmpty {
                throw ExitStatus.attention.code
            }
        }
    }

    /// By the daemon; while none runs the file is only checked, for the next mount reads it.
    private static func reload(_ path: String) throws -> ReloadDocument {
        let file = ArchivePaths(path).configuration
        guard let daemon = DaemonConnection.connect(archive: path) else {
            return ReloadDocument(
                isMounted: false,
                notes: try Archive.notes(onVolumesOf: Settings(file: file), of: path))
        }
        do {
            let summary = try daemon.reload()
            return ReloadDocument(
                isMounted: true, changed: summary.changed, waiting: summary.waiting,
                notes: summary.notes, views: summary.views)
        } catch let error as CommandError where error.code == .refused {
            // The daemon's answer is a sentence; the line of the file can be shown here.
            do throws(ArchiveError) {
                _ = try Settings(file: file)
            } catch let mistake {
                throw ArchiveError(mistake.code, error.message, at: mistake.place)
            }
            throw error
        }
    }

    private static func lines(_ document: ReloadDocument) -> [String] {
        guard document.isMounted else {
            return document.notes.isEmpty
                ? [
                    """
                    The archive is not mounted. pacsfs.toml has no mistake; the next mount uses \
                    it.
                    """
                ]
                : ["The archive is not mounted. pacsfs.toml can be read, but:"] + document.notes
        }
        var lines = [
            document.changed.isEmpty
                ? "Nothing has changed that can be changed now."
                : "Took over: \(document.changed.joined(separator: ", "))."
        ]
        if !document.waiting.isEmpty {
            lines.append(
                "Needs a restart of the daemon: \(document.waiting.joined(separator: ", ")).")
        }
        lines += document.notes
        let making = document.views.filter { $0.state == .making }.map(\.name)
        if !making.isEmpty {
            lines.append(
                """
                Being made: \(making.joined(separator: ", ")). The views change when that is done; \
                "pacsfs status" shows how far it is.
                """
            )
        }
        return lines
    }
}
