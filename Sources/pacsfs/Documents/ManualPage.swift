import ArgumentParser
import Archive
import Foundation

/// The manual page, made from the commands' own help and the formats of their documents, so that it
/// never says anything else. In man(7), which man-db and mandoc render.
enum ManualPage {
    static var lines: [String] {
        heading + commands + exitStatus + json + environment + files + seeAlso
    }

    private static var heading: [String] {
        let overview = Pacsfs.configuration
        let abstract = overview.abstract.trimmingCharacters(in: CharacterSet(charactersIn: "."))
        return """
            .\\" Made by "pacsfs manual".
            .TH PACSFS 1 "" "pacsfs \(overview.version)" "User Commands"
            .SH NAME
            pacsfs \\- \(escaped(abstract))
            .SH SYNOPSIS
            .B pacsfs
            .I COMMAND
            [\\fIOPTIONS\\fR]
            .SH DESCRIPTION
            pacsfs keeps every DICOM image, byte for byte, on several disks (volumes), and shows the
            archive as ordinary folders. Images are copied into the folder \\fIincoming\\fR of the
            mount; when the copy has ended without an error, they are safe.
            .PP
            \\fBpacsfs status\\fR answers whether all is well, \\fBpacsfs doctor\\fR looks for
            mistakes in the set-up and says what to do.
            """.components(separatedBy: "\n")
    }

    private static var commands: [String] {
        [".SH COMMANDS"] + Pacsfs.configuration.subcommands.flatMap { sections($0, "pacsfs") }
    }

    private static let exitStatus = """
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
        """.components(separatedBy: "\n")

    private static let environment = """
        .SH ENVIRONMENT
        .TP
        PACSFS_ARCHIVE
        The directory of the archive, if \\-\\-archive does not name it.
        .TP
        PACSFS_RCLONE
        The rclone to use, if not the one in PATH.
        .TP
        NOTIFY_SOCKET, WATCHDOG_USEC, JOURNAL_STREAM
        Set by systemd; see
        .BR sd_notify (3).
        """.components(separatedBy: "\n")

    private static let files = """
        .SH FILES
        .TP
        .I ARCHIVE/\(ArchivePaths.configurationName)
        The configuration, with comments.
        .TP
        .I ARCHIVE/offsite/NAME.json
        How rclone reaches the remote NAME, and its keys. Only the owner can read it.
        .TP
        .I ARCHIVE/\(ArchivePaths.logName)
        Messages of a daemon in the background; older ones are in pacsfs.log.1.
        .TP
        .I VOLUME/README.txt
        How to get the images back by hand.
        .TP
        .I /etc/default/pacsfs
        Which archive the services pacsfs and pacsfs\\-receive show, and where.
        """.components(separatedBy: "\n")

    private static let seeAlso = """
        .SH SEE ALSO
        .BR fusermount3 (1),
        .BR mount.fuse3 (8),
        .BR systemctl (1),
        .BR storescp (1)
        """.components(separatedBy: "\n")

    // MARK: Commands

    /// A section for a command, or one for each of its subcommands.
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
            .trimmingCharacters(in: .newlines).components(separatedBy: "\n")
        return [".SS \(escaped(name))", ".nf"] + help.map(escaped) + [".fi"]
    }

    // MARK: JSON

    private static let documents: [DocumentFormat] = [
        ArchiveStatus.format, FindDocument.format, ShowDocument.format, ImportSummary.format,
        ImportResult.format, VolumeListDocument.format, RemoteListDocument.format,
        RemoteCheckDocument.format,
        ViewListDocument.format,
        ViewTryDocument.format, ReloadDocument.format, ScrubReport.format,
        VerificationReport.format, RebuildSummary.format, RestoreSummary.format,
        RestoreReport.format, DrillReportsDocument.format, DoctorDocument.format,
    ]

    private static var json: [String] {
        let introduction = """
            .SH JSON
            With \\-\\-json a command prints one object. A name such as \\fIvolumes[].ordinal\\fR
            below means the field \\fIordinal\\fR of each object in the array \\fIvolumes\\fR. All
            names are in snake_case. A value that is not known is null; no field is left out. A time
            is UTC, as 2026\\-11\\-22T02:05:52.123456789Z. Keywords of DICOM are as the standard
            spells them. A volume's number is called \\fIordinal\\fR.
            .PP
            Every object has the field \\fIversion\\fR, which is \(DocumentFormat.version) here. It
            goes up when a field is renamed, removed or gets another meaning. New fields and new
            words may be added without that; programs should ignore those they do not know.
            """.components(separatedBy: "\n")
        return introduction + documents.flatMap(section)
    }

    private static func section(_ document: DocumentFormat) -> [String] {
        [".SS \(escaped(document.command + " --json"))"]
            + document.fields.flatMap { field in
                [
                    ".TP", ".BR \(escaped(field.path)) \" (\(quoted(field.type)))\"",
                    escaped(field.text),
                ]
            }
    }

    /// A line that is shown as it is (groff(7), Escape Sequences).
    private static func escaped(_ line: String) -> String {
        let text = line.replacingOccurrences(of: "\\", with: "\\e")
            .replacingOccurrences(of: "-", with: "\\-")
        return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
    }

    /// Text inside a quoted argument of a macro.
    private static func quoted(_ text: String) -> String {
        escaped(text).replacingOccurrences(of: "\"", with: "\\(dq")
    }
}
