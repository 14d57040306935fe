import Foundation
import Offsite
import Storage

/// What somebody needs on the day after the fire: where the data is, the keys, and the commands
/// that bring it back. As text, and as one HTML page to print.
public struct RecoverySheet: Sendable {
    /// What it is about.
    public struct Facts: Sendable {
        /// The archive's directory.
        public var archive: String
        /// The archive's id.
        public var id: String
        /// The directories of its volumes.
        public var volumes: [String]
        public var copies: Int
        /// Where it is mounted.
        public var mountpoint: String
        /// The ledger's head and the number of its record; `nil` when there is none yet.
        public var head: String?
        /// When the sheet is made.
        public var date: Timestamp
        /// The key with which reports of drills can be verified, in lines of PEM; `nil` when there
        /// is none.
        public var publicKey: String?

        public init(
            archive: String, id: String, volumes: [String], copies: Int, mountpoint: String,
            head: String?, date: Timestamp
        ) {
            (self.archive, self.id, self.volumes) = (archive, id, volumes)
            (self.copies, self.mountpoint, self.head) = (copies, mountpoint, head)
            self.date = date
        }
    }

    /// A piece of the sheet.
    private enum Part {
        case title(String)
        case heading(String)
        case paragraph(String)
        /// Shown as it is.
        case lines([String])
        /// A command for a shell.
        case command([String])
    }

    let facts: Facts
    let remotes: [RemoteSecrets]

    public init(_ facts: Facts, _ remotes: [RemoteSecrets]) {
        (self.facts, self.remotes) = (facts, remotes)
    }

    // MARK: Content

    private var parts: [Part] { beginning + keys + commands + byHand }

    private var isEncrypted: Bool { remotes.contains { $0.keys != nil } }

    private var beginning: [Part] {
        var facts = [
            "Archive   \(facts.id)", "Made on   \(facts.date.description.prefix(10))",
        ]
        if let head = self.facts.head {
            let parts = head.split(separator: ":")
            facts.append("Ledger    \(parts.last ?? "") records; head")
            facts.append("          \(parts.first ?? "")")
        }
        if let key = self.facts.publicKey {
            facts.append("Public key, to verify reports of drills:")
            facts += key.split(separator: "\n").map { "          \($0)" }
        }
        return [
            .title("pacsfs recovery sheet"),
            .paragraph(
                """
                With this sheet, an empty machine and a new disk, everything is back: all images, \
                with the same paths.
                """),
            .paragraph(
                isEncrypted
                    ? """
                    Keep it outside of the building, and not with the data. Who has it can read \
                    everything; without it nobody can, not even you. Make a new one when a remote \
                    is added or changed.
                    """
                    : """
                    Keep it outside of the building. Who has it can read everything. Make a new \
                    one when a remote is added or changed.
                    """), .lines(facts),
        ]
    }

    private var keys: [Part] {
        var parts: [Part] = [
            .heading("1. Where the data is, and the keys"),
            .paragraph(
                """
                If this sheet was saved as a file, use that. Otherwise type the numbered lines \
                into a file called sheet.txt: number, name, value and the last word of each, with \
                blanks between them. There is no capital letter that is not printed as one. The \
                last word is a checksum: the command below says which line is mistyped.
                """),
        ]
        var number = 1
        for remote in remotes {
            let lines = remote.sheetLines(from: number)
            number += lines.count
            parts.append(
                .paragraph(
                    """
                    The remote "\(remote.name)" (\(remote.location.type), \
                    \(remote.keys == nil ? "not encrypted" : "encrypted")):
                    """))
            parts.append(.lines(lines.map(\.text)))
            if !remote.localFiles.isEmpty {
                parts.append(
                    .paragraph(
                        """
                        It also needs files that are not on this sheet. Keep copies of them with \
                        it, and put them in the same places before a restore:
                        """))
                parts.append(.lines(remote.localFiles))
            }
        }
        return parts
    }

    private var commands: [Part] {
        let volumes = facts.volumes.map { "--volume \(Self.quoted($0))" }
        var restore = [
            "pacsfs restore --from \(remotes.first?.name ?? "NAME") --sheet sheet.txt",
            "--archive \(Self.quoted(facts.archive))",
        ]
        if facts.copies != 2 { restore.append("--copies \(facts.copies)") }
        return [
            .heading("2. The two commands that bring it back"),
            .paragraph(
                """
                On a Linux machine with pacsfs and rclone, as the user whose archive it is to be. \
                Each --volume is a new, empty folder, best on a disk of its own; choose other \
                folders where you like.
                """), .command(restore + volumes),
            .command([
                "pacsfs mount \(Self.quoted(facts.mountpoint)) --archive "
                    + Self.quoted(facts.archive)
            ]),
            .paragraph(
                """
                The first one can be interrupted and run again. The newest studies come first. To \
                look at them before everything is there, press Ctrl-C after some minutes and run \
                the second one: the rest comes meanwhile.
                """),
        ]
    }

    private var byHand: [Part] {
        var parts: [Part] = [
            .heading("3. Without pacsfs"),
            .paragraph(
                """
                rclone, tar and sha256sum are enough. Copy everything into an empty folder; the \
                file README.txt at the remote says what to do there.
                """),
        ]
        for remote in remotes { parts.append(.command(Self.copying(remote))) }
        return parts
    }

    /// The commands that copy a remote into the folder `copy`, one a line.
    private static func copying(_ remote: RemoteSecrets) -> [String] {
        let options = remote.location.options.filter { $0.key != "type" }
            .sorted { $0.key < $1.key }
            .map { quoted("\($0.key)=\($0.value)") }
        let type = remote.location.type
        let base = "base:\(remote.location.path)"
        var lines = [
            (["rclone config create base \(type)"] + options + ["--no-obscure"])
                .joined(separator: " ")
        ]
        guard let keys = remote.keys else {
            return lines + ["rclone copy \(quoted(base)) copy"]
        }
        lines.append(
            [
                "rclone config create sealed crypt", quoted("remote=\(base)"),
                quoted("password=\(keys.password)"), quoted("password2=\(keys.salt)"), "--obscure",
            ].joined(separator: " "))
        return lines + ["rclone copy sealed: copy"]
    }

    /// A word for a shell.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "/._-+:,@=".utf8.contains(byte)
        }
        return isPlain && !text.isEmpty
            ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }

    // MARK: Text

    /// At most 78 columns, but for commands that cannot be broken.
    public var text: String {
        parts.map { part -> String in
            switch part {
            case .title(let text): text.uppercased() + "\n"
            case .heading(let text):
                "\n\(text)\n" + String(repeating: "-", count: text.count) + "\n"
            case .paragraph(let text): Self.wrapped(text) + "\n"
            case .lines(let lines): lines.joined(separator: "\n") + "\n"
            case .command(let lines): Self.shown(lines).joined(separator: "\n") + "\n"
            }
        }.joined(separator: "\n")
    }

    /// A command on several lines, or several commands; indented.
    private static func shown(_ lines: [String]) -> [String] {
        let isOne = lines.count > 1 && lines[0].hasPrefix("pacsfs")
        return lines.enumerated().map { index, line in
            let indent = isOne && index > 0 ? "        " : "    "
            return indent + line + (isOne && index < lines.count - 1 ? " \\" : "")
        }
    }

    private static func wrapped(_ text: String) -> String {
        var lines = [""]
        for word in text.split(separator: " ") {
            if lines[lines.count - 1].count + word.count + 1 > 78 { lines.append("") }
            lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + word
        }
        return lines.joined(separator: "\n")
    }

    // MARK: Page

    /// One HTML page that loads nothing, made to be printed.
    public var page: String {
        let body = parts.map { part -> String in
            switch part {
            case .title(let text): "<h1>\(Self.escaped(text))</h1>"
            case .heading(let text): "<h2>\(Self.escaped(text))</h2>"
            case .paragraph(let text): "<p>\(Self.escaped(text))</p>"
            case .lines(let lines):
                "<pre class=\"lines\">\n\(Self.escaped(lines.joined(separator: "\n")))\n</pre>"
            case .command(let lines): Self.block(lines)
            }
        }.joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>pacsfs recovery sheet</title>
            <style>
            body { font: 11pt/1.4 serif; max-width: 46rem; margin: 1rem auto; padding: 0 1rem;
                   color: #000; background: #fff }
            h1 { font-size: 18pt } h2 { font-size: 13pt; margin: 1.2em 0 .3em }
            pre { font: 9.5pt/1.5 monospace; white-space: pre-wrap; overflow-wrap: anywhere;
                  border: 1px solid #888; padding: .5em; break-inside: avoid }
            pre.lines { white-space: pre; overflow-x: auto; break-inside: auto }
            @page { margin: 15mm }
            @media print { body { margin: 0; max-width: none; padding: 0 }
                           pre.lines { overflow: visible } }
            </style>
            </head>
            <body>
            \(body)
            </body>
            </html>

            """
    }

    private static func block(_ command: [String]) -> String {
        let lines = shown(command).map { $0.dropFirst(4) }
        return "<pre>\n\(escaped(lines.joined(separator: "\n")))\n</pre>"
    }

    static func unescaped(_ text: String) -> String {
        text.replacing("&quot;", with: "\"").replacing("&lt;", with: "<")
            .replacing("&gt;", with: ">").replacing("&amp;", with: "&")
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
