import ArgumentParser
import Archive
import Foundation
import System

struct OffsiteSheet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sheet",
        abstract: "Print the recovery sheet: where the data is, and the keys.",
        discussion: """
            It has what somebody needs on the day after the fire: where the data is, the keys, and \
            the two commands that bring it back. Print it, or save it, and keep it outside of the \
            building. Nothing is brought to an encrypted remote before that.

            Examples:
              pacsfs offsite sheet --html -o sheet.html     # open it in a browser and print it
              pacsfs offsite sheet -o /media/stick/sheet.txt
              pacsfs offsite sheet | lp
            """)

    @Argument(help: "Names of remotes; all if none is named.")
    var names: [String] = []

    @Flag(name: .long, help: "One HTML page to print, instead of text.")
    var html = false

    @Option(
        name: .shortAndLong, help: ArgumentHelp("Write it to this file.", valueName: "FILE"))
    var output: String?

    @OptionGroup var archive: ArchiveOption

    func run() throws {
        try reporting {
            let path = try archive.existing
            let sheet = try RecoverySheet(
                of: path, remotes: names, mountpoint: Paths.mountpoint(of: path) ?? "/mnt/images")
            let text = html ? sheet.page : sheet.text
            guard let output else {
                // Nobody has it on paper yet when it is only on a screen.
                Output.text(text)
                guard isatty(STDOUT_FILENO) == 1 else { return try sheet.noteSaved(in: path) }
                return StandardError.write(
                    """
                    This is on a screen only. Print it, or save it with -o: nothing goes to an \
                    encrypted remote before that.

                    """)
            }
            let file = Paths.absolute(output)
            try Self.write(text, to: file)
            try sheet.noteSaved(in: path)
            Output.line(
                """
                The recovery sheet is in \(file). Who has it can read everything: keep it outside \
                of this building, and delete it from this machine when it is printed. To bring \
                everything away now: pacsfs offsite push
                """)
        }
    }

    /// Only its owner can read it.
    private static func write(_ text: String, to path: String) throws {
        unlink(path)
        do throws(Errno) {
            let file = try Descriptor(opening: path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            let number = file.number
            let bytes = Array(text.utf8)
            try bytes.span.bytes.withUnsafeBytes { (bytes) throws(Errno) in
                try FileIO.write(number, bytes, at: 0)
            }
            try systemCall { fsync(number) }
        } catch {
            throw CommandError(
                .notAllowed, "\(path) cannot be written",
                remedy: "Name a file in a folder of yours with -o.", cause: error)
        }
    }
}
