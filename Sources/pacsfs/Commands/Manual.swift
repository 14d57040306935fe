import ArgumentParser
import Foundation

/// The manual page, made from the commands' own help so that it never says anything else. For
/// `Scripts/install`.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the manual page, in roff.",
        discussion: """
            Example:
              pacsfs manual >pacsfs.1 && man ./pacsfs.1
            """,
        shouldDisplay: false)

    func run() { print(ManualPage.text) }
}

/// man(7), rendered by man-db or mandoc.
enum ManualPage {
    static var text: String {
        let overview = Pacsfs.configuration
        return """
            .\\" Made by «pacsfs manual».
            .TH PACSFS 1 "" "pacsfs \(overview.version)" "User Commands"
            .SH NAME
            pacsfs \\- \(escaped(overview.abstract.trimmingCharacters(in: CharacterSet(charactersIn: "."))))
            .SH SYNOPSIS
            .B pacsfs
            .I COMMAND
            [\\fIOPTIONS\\fR]
            .SH DESCRIPTION
            pacsfs keeps every DICOM image, byte for byte, on several disks (volumes), and shows the archive
            as ordinary folders. Images are copied into the folder \\fIincoming\\fR of the mount; when the copy
            has ended without an error, they are safe.
            .PP
            \\fBpacsfs status\\fR answers whether all is well, \\fBpacsfs doctor\\fR looks for what is set up wrongly
            and says what to do.
            .SH COMMANDS
            \(overview.subcommands.flatMap { sections($0, "pacsfs") }.joined(separator: "\n"))
            .SH EXIT STATUS
            .TP
            0
            It worked.
            .TP
            1
            It worked, and something wants attention: files were rejected, a volume is absent.
            .TP
            2
            It failed, or data is at risk.
            .TP
            3
            Nothing was found.
            .TP
            64
            The command was called wrongly.
            .SH ENVIRONMENT
            .TP
            PACSFS_ARCHIVE
            The directory of the archive, where \\-\\-archive does not name it.
            .TP
            NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM
            Set by systemd; see
            .BR sd_notify (3).
            .SH FILES
            .TP
            .I ARCHIVE/pacsfs.toml
            The configuration, with comments.
            .TP
            .I ARCHIVE/pacsfs.log
            Messages of a daemon in the background; the one before is pacsfs.log.1.
            .TP
            .I VOLUME/README.txt
            How to get the images back by hand.
            .TP
            .I /etc/default/pacsfs
            Which archive the services pacsfs and pacsfs\\-receive show, and where.
            .SH SEE ALSO
            .BR fusermount3 (1),
            .BR mount.fuse3 (8),
            .BR systemctl (1),
            .BR storescp (1)
            """
    }

    /// A section for a command, or one for each that it has.
    private static func sections(_ command: any ParsableCommand.Type, _ parent: String) -> [String]
    {
        let configuration = command.configuration
        guard configuration.shouldDisplay else { return [] }
        let name = parent + " " + (configuration.commandName ?? command._commandName)
        guard configuration.subcommands.isEmpty else {
            return configuration.subcommands.flatMap { sections($0, name) }
        }
        let help = Pacsfs.helpMessage(for: command, columns: 78)
            .replacingOccurrences(of: "OVERVIEW: ", with: "")
        return [
            ".SS \(escaped(name))\n.nf\n\(escaped(help.trimmingCharacters(in: .newlines)))\n.fi"
        ]
    }

    /// Text that is shown as it is (groff(7), Escape Sequences).
    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "\\", with: "\\e").replacingOccurrences(of: "-", with: "\\-")
            .split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(".") || $0.hasPrefix("'") ? "\\&" + $0 : $0 }
            .joined(separator: "\n")
    }
}
