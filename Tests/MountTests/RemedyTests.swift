import Foundation
import TestSupport
import Testing

/// The commands that messages name.
@Suite("Remedies")
struct RemedyTests {
    /// Words after "pacsfs" that begin no command: there it is the subject of a sentence.
    private static let verbs: Set = [
        "again", "and", "archive", "can", "daemon", "deletes", "does", "ended", "ends", "for",
        "has", "indexes", "is", "keeps", "knows", "looks", "names", "needs", "overwrites", "runs",
        "sees", "shows", "takes", "that", "to", "with", "writes", "wrote",
    ]

    /// Every `pacsfs …` in the code of the sources, with a second word where there are
    /// subcommands, and where it was found.
    private static func commands() throws -> [String: String] {
        let sources = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Sources")
        let files = try #require(
            FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var found: [String: String] = [:]
        for case let file as URL in files where file.pathExtension == "swift" {
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            for line in lines where !line.trimmingPrefix(while: \.isWhitespace).hasPrefix("//") {
                for match in line.matches(of: /pacsfs ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/) {
                    let word = String(match.1)
                    if verbs.contains(word) { continue }
                    let hasSecond = ["volume", "views", "offsite"].contains(word) && match.2 != nil
                    let command = hasSecond ? "\(word) \(match.2 ?? "")" : word
                    found[command] = "\(file.lastPathComponent): \(line)"
                }
            }
        }
        return found
    }

    @Test("Every command that a message names exists")
    func commandsExist() throws {
        let pacsfs = try #require(PacsfsProgram.path)
        let commands = try Self.commands()
        #expect(commands.count >= 15 && commands["volume replace"] != nil)
        for (command, place) in commands {
            let run = try ProgramRun(
                [pacsfs] + command.split(separator: " ").map(String.init) + ["--help"])
            #expect(run.succeeded, "pacsfs \(command) in \(place)")
        }
    }
}
