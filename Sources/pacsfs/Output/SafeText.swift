/// Text that cannot steer a terminal or forge a line.
///
/// Names of patients, files and zip members come from strangers. One with an escape sequence in it
/// could clear the screen, one with a line break could pass for a message of ours.
enum SafeText {
    /// `text` on one line: control characters, line breaks and marks that turn the direction of
    /// writing are shown as `\u{1B}`, `\n` and the like.
    static func line(_ text: String) -> String {
        var line = ""
        for scalar in text.unicodeScalars {
            if isUnsafe(scalar) {
                line += scalar.escaped(asASCII: true)
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
        return line
    }

    /// JSON with the same characters as `\u001b`; they can only be inside its strings.
    static func json(_ text: String) -> String {
        var safe = ""
        for scalar in text.unicodeScalars {
            if scalar != "\n", isUnsafe(scalar) {
                // None of them lies beyond the Basic Multilingual Plane.
                let digits = String(scalar.value, radix: 16)
                safe += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            } else {
                safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }

    private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        // Embeddings, overrides and isolates of the bidirectional algorithm (UAX #9).
        case .format:
            (0x202A...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value)
        default: false
        }
    }
}
