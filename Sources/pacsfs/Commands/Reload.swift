import ArgumentParser
import Archive
import Foundation

struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a changed pacsfs.toml into use.",
        discussion: """
            Views, settle, ignore, ignore_case and scrub are in use at once; new views are made in \
            the background and shown when they are whole. Other settings need a restart of the \
            daemon. When there is a mistake in the file nothing changes. SIGHUP does the same.

            Example:
              pacsfs reload
            """)

    @OptionGroup var archive: ArchiveOption

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    func run() throws {
        try reporting {
            let path = try archive.existing
            guard let connection = ControlConnection.connect(archive: path) else {
                // The next start reads it; whether it will like it can be told now.
                let notes = try Archive.notes(
                    onVolumesOf: Settings(file: path + "/pacsfs.toml"), of: path)
                guard notes.isEmpty else {
                    print(
                        "The archive is not mounted. pacsfs.toml can be read; but:\n"
                            + notes.joined(separator: "\n"))
                    throw ExitStatus.attention.code
                }
                return print(
                    "The archive is not mounted. pacsfs.toml has no mistake; the next mount takes it into use."
                )
            }
            switch try connection.ask(.reload) {
            case .reloaded(let summary):
                if json { try Output.json(summary) } else { print(Self.text(summary)) }
                if !summary.waiting.isEmpty || !summary.notes.isEmpty {
                    throw ExitStatus.attention.code
                }
            case .failed(let reason):
                // The daemon tells in one line; the place can be shown here.
                var error = ArchiveError(.configuration, reason)
                do throws(ArchiveError) { _ = try Settings(file: path + "/pacsfs.toml") } catch let
                    mistake
                { error.place = mistake.place }
                throw error
            default: break
            }
        }
    }

    private static func text(_ summary: ReloadSummary) -> String {
        var lines = [
            summary.changed.isEmpty
                ? "Nothing of what can be changed now has changed."
                : "Took over: \(summary.changed.joined(separator: ", "))."
        ]
        if !summary.waiting.isEmpty {
            lines.append(
                "Needs a restart of the daemon: \(summary.waiting.joined(separator: ", ")).")
        }
        lines += summary.notes
        let making = summary.views.filter { $0.state == .making }.map(\.name)
        if !making.isEmpty {
            lines.append(
                "Being made: \(making.joined(separator: ", ")). The views change when that is done; pacsfs status shows how far it is."
            )
        }
        return lines.joined(separator: "\n")
    }
}
