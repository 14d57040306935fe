/// A piece of an HTML document. The only way for a text to get into one is an interpolation, which
/// escapes it: here, and nowhere else.
struct HTML: ExpressibleByStringInterpolation {
    private(set) var text: String

    init(stringLiteral text: String) { self.text = text }

    init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    private init(text: String) { self.text = text }

    /// Pieces, one after the other.
    init(_ pieces: [HTML]) { text = pieces.map(\.text).joined(separator: "\n") }

    struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity)
        }

        mutating func appendLiteral(_ literal: String) { text += literal }

        /// For text of elements, and of attributes in quotes.
        mutating func appendInterpolation(_ value: some StringProtocol) {
            text += HTML.escaped(value)
        }

        mutating func appendInterpolation(_ number: some BinaryInteger) { text += String(number) }

        mutating func appendInterpolation(_ piece: HTML) { text += piece.text }

        mutating func appendInterpolation(_ piece: HTML?) { text += piece?.text ?? "" }

        mutating func appendInterpolation(_ pieces: [HTML]) { text += HTML(pieces).text }
    }

    /// Also replaces what changes the order or the look of what is around it: control characters
    /// and the marks of right-to-left text.
    private static func escaped(_ value: some StringProtocol) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result += " "
            case "\u{0}"..<" ", "\u{7F}"..."\u{9F}", "\u{200E}", "\u{200F}",
                "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
                result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A sentence of ``Health``, with its commands set apart. A command ends at a semicolon, at a
    /// comma or a full stop with nothing or a blank after it, before another headline, or with the
    /// sentence.
    static func withCommands(_ sentence: String) -> HTML {
        let command =
            #/
            \bpacsfs\ (?:drill|import|mount|offsite|rebuild|reload|restore|scrub|unmount
              |verify|views|volume)
            (?:[^;.,\s]|[.,](?!\s|$)|\s(?!(?:Safe|Ready|Also):))*
            /#
        var (result, rest) = (HTML(text: ""), Substring(sentence))
        while let found = rest.firstMatch(of: command) {
            let before = rest[..<found.range.lowerBound]
            result = "\(result)\(before)<code>\(found.output)</code>"
            rest = rest[found.range.upperBound...]
        }
        return "\(result)\(rest)"
    }
}
