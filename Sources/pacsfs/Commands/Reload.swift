import ArgumentParser
import Archive
import Foundation

struct Reload: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a changed pacsfs.toml into use.",
        discussion: """
            Views, settle, ignore, ignore_case and scrub are in use at once; new views are made in
            the background and shown when they are whole. Other settings need a restart of the
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
                _ = try Settings(file: path + "/pacsfs.toml")
                return print("The archive is not mounted. pacsfs.toml has no mistake; the next mount takes it into use.")
            }
            switch try connection.ask(.reload) {
            case .reloaded(let summary):
                if json { try Output.json(summary) } else { print(Self.text(summary)) }
                if !summary.waiting.isEmpty { throw ExitStatus.attention.code }
            case .failed(let reason): throw ArchiveError(.configuration, reason)
            default: break
            }
        }
    }

    private static func text(_ summary: ReloadSummary) -> String {
        var lines = [
            summary.changed.isEmpty ? "Nothing of what can be changed now has changed."
                : "Took over: \(summary.changed.joined(separator: ", "))."
        ]
        if !summary.waiting.isEmpty {
            lines.append("Needs a restart of the daemon: \(summary.waiting.joined(separator: ", ")).")
        }
        let making = summary.views.filter { $0.state == .making }.map(\.name)
        if !making.isEmpty {
            lines.append("Being made: \(making.joined(separator: ", ")). The views change when that is done; pacsfs status shows how far it is.")
        }
        return lines.joined(separator: "\n")
    }
}
