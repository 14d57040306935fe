import Glibc
import System

/// Everything that commands print, for people and for programs.
enum Output {
    /// Prints a line for people.
    static func line(_ text: String) { lines([text]) }

    /// Prints lines for people.
    static func lines(_ lines: [String]) {
        write(lines.map { SafeText.line($0) + "\n" }.joined())
    }

    /// Prints a text of several lines as it is.
    static func text(_ text: String) { write(text) }

    /// Prints values for programs on one line, with a tab between them.
    static func fields(_ values: String...) {
        write(values.map(SafeText.line).joined(separator: "\t") + "\n")
    }

    /// Prints on standard error what went wrong.
    ///
    /// - Parameter lines: A sentence, then what explains it, such as a line of a file.
    static func error(_ lines: [String]) {
        StandardError.write("pacsfs: " + lines.map { SafeText.line($0) + "\n" }.joined())
    }

    /// Prints on standard error what went wrong, in one line.
    static func error(_ line: String) { error([line]) }

    /// Prints a document, as `--json` promises it.
    ///
    /// - Parameter isOneLine: Prints it on one line, as one of several.
    /// - Throws: `EncodingError` when a number in it is not finite.
    static func json(_ document: some JSONDocument, isOneLine: Bool = false) throws {
        write(try document.json(isOneLine: isOneLine) + "\n")
    }

    /// Prints a document that is complete as it is.
    static func document(_ text: String) { write(text) }

    /// Writes to standard output, at once and whole: readers may act on each line.
    private static func write(_ text: String) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = try? systemCall {
                rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            }
            // If nobody reads it any more, what was archived is archived all the same.
            guard let count else { return }
            rest = rest.dropFirst(count)
        }
    }
}
