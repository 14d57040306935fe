import DICOM

/// Reads the text of a ``Template`` from left to right.
struct TemplateParser {
    private let text: [Character]
    private var position = 0

    init(_ text: String) { self.text = Array(text) }

    mutating func parse() throws(TemplateError) -> [Level] {
        guard text.count <= Template.maximumLength else {
            throw error(
                .tooLong, "the template is too long", at: Template.maximumLength,
                "a template has at most \(Template.maximumLength) characters")
        }
        var levels: [Level] = []
        while true {
            let start = position
            let parts = try parseParts(until: nil, from: start).parts
            guard !text[start..<position].allSatisfy(\.isWhitespace) else {
                throw error(
                    .emptyLevel, "level \(levels.count + 1) is empty", at: start,
                    "a level needs text or a field, and levels are separated by one /")
            }
            guard levels.count < Template.maximumDepth else {
                throw error(
                    .tooLong, "there are too many levels", at: start,
                    "a template has at most \(Template.maximumDepth)")
            }
            levels.append(Level(parts: parts))
            guard position < text.count else { return levels }
            position += 1  // the slash
        }
    }

    private static let brackets: [Character: Character] = ["(": ")", "[": "]", "{": "}"]

    /// Reads parts up to the end of the level, or up to the bracket that closes a group.
    private mutating func parseParts(
        until close: Character?, from start: Int
    ) throws(TemplateError) -> (parts: [TemplatePart], isClosed: Bool) {
        var parts: [TemplatePart] = []
        while position < text.count, text[position] != "/" {
            let column = position
            guard let character = try nextLiteral() else {
                parts += try parseField(from: column)
                continue
            }
            if character == close { return (parts, true) }
            if let partner = Self.brackets[character] {
                let inner = try parseParts(until: partner, from: column)
                if inner.isClosed {
                    parts.append(.group(open: character, inner.parts, close: partner))
                } else {
                    parts.append(.text(String(character)))
                    parts += inner.parts
                }
            } else {
                append(character, to: &parts)
            }
        }
        return (parts, false)
    }

    /// The next character of literal text, or `nil`, with the brace consumed, where a field begins.
    private mutating func nextLiteral() throws(TemplateError) -> Character? {
        let character = text[position]
        let isDoubled = position + 1 < text.count && text[position + 1] == character
        switch character {
        case "{" where isDoubled, "}" where isDoubled:
            position += 2
            return character
        case "{":
            position += 1
            return nil
        case "}":
            throw error(
                .unpairedBrace, "there is a } without {", at: position,
                "a brace as text is written }}")
        default:
            position += 1
            return character
        }
    }

    private func append(_ character: Character, to parts: inout [TemplatePart]) {
        let isWord = character.isLetter || character.isNumber || ")]}".contains(character)
        switch parts.last {
        case .text(let text) where isWord:
            parts[parts.count - 1] = .text(text + String(character))
        case .separator(let text) where !isWord:
            parts[parts.count - 1] = .separator(text + String(character))
        default:
            parts.append(isWord ? .text(String(character)) : .separator(String(character)))
        }
    }

    // MARK: Fields

    /// Reads a field up to and with its closing brace.
    private mutating func parseField(from brace: Int) throws(TemplateError) -> [TemplatePart] {
        let start = position
        while position < text.count, text[position] != "}" {
            if text[position] == "{" || text[position] == "/" { break }
            position += 1
        }
        guard position < text.count, text[position] == "}" else {
            throw error(
                .unpairedBrace, "the field that begins here is not closed", at: brace,
                "a field ends with } in the same level, and a brace as text is written {{")
        }
        let isRequired = position > start && text[position - 1] == "!"
        let content = start..<(isRequired ? position - 1 : position)
        position += 1
        if String(text[content]).lowercased() == "series" {
            guard !isRequired else {
                throw error(
                    .badSeries, "{Series} cannot be required", at: content.upperBound,
                    "write {SeriesDescription!} or another of its fields")
            }
            return Self.series
        }

        let colon = text[content].firstIndex(of: ":")
        var sources: [Source] = []
        var begin = start
        for part in text[content.lowerBound..<(colon ?? content.upperBound)]
            .split(separator: "|", omittingEmptySubsequences: false)
        {
            sources.append(
                try source(text[begin..<(begin + part.count)], colon, content.upperBound))
            begin += part.count + 1
        }
        return [.field(Field(sources: sources, isRequired: isRequired))]
    }

    private static let series: [TemplatePart] = [
        .field(Field(sources: [Source(attribute: .seriesNumber, form: .number(width: 3))])),
        .separator(" "),
        .field(Field(sources: [Source(attribute: .modality, form: .plain)])),
        .separator(" "),
        .field(Field(sources: [Source(attribute: .seriesDescription, form: .plain)])),
    ]

    /// An attribute, perhaps with a part of its name, under the format that follows the colon.
    private func source(
        _ characters: ArraySlice<Character>, _ colon: Int?, _ end: Int
    ) throws(TemplateError) -> Source {
        let dot = characters.firstIndex(of: ".")
        let keyword = String(characters[..<(dot ?? characters.endIndex)])
        guard let attribute = Attribute(keyword: keyword) else {
            throw unknown(keyword, at: characters.startIndex)
        }
        if let dot, attribute == .otherPatientIDs {
            let part = String(characters[(dot + 1)...])
            guard part.lowercased() == "microchip" else {
                throw error(
                    .unknownName, "OtherPatientIDs has no part '\(part)'", at: dot + 1,
                    "its part is microchip")
            }
            if let colon { throw misplacedFormat("a microchip", at: colon) }
            return Source(attribute: attribute, form: .microchip)
        }
        if let dot {
            let part = try namePart(String(characters[(dot + 1)...]), of: attribute, at: dot + 1)
            if let colon { throw misplacedFormat("a part of a name", at: colon) }
            return Source(attribute: attribute, form: .namePart(part))
        }
        let format = colon.map { String(text[($0 + 1)..<end]) }
        switch attribute.kind {
        case .date:
            guard let format else { return Source(attribute: attribute, form: .date(.standard)) }
            guard let dateFormat = DateFormat(format) else {
                throw error(
                    .badFormat, "'\(format)' is not a date format", at: (colon ?? end) + 1,
                    DateFormat.allowed)
            }
            return Source(attribute: attribute, form: .date(dateFormat))
        case .number:
            guard let format else { return Source(attribute: attribute, form: .number(width: 1)) }
            guard format.allSatisfy(\.isASCII), format.first != "+", let width = Int(format),
                (1...12).contains(width)
            else {
                throw error(
                    .badFormat, "'\(format)' is not a number of digits", at: (colon ?? end) + 1,
                    "the digits of \(attribute.keyword) are from 1 to 12, "
                        + "as in {\(attribute.keyword):3}"
                )
            }
            return Source(attribute: attribute, form: .number(width: width))
        case .text, .personName:
            if let colon { throw misplacedFormat(attribute.keyword, at: colon) }
            return Source(attribute: attribute, form: .plain)
        }
    }

    private func namePart(
        _ text: String, of attribute: Attribute, at column: Int
    ) throws(TemplateError) -> PersonName.Part {
        guard attribute.kind == .personName else {
            throw error(
                .unknownName, "\(attribute.keyword) is not a person name and has no part '\(text)'",
                at: column,
                "person names are "
                    + Attribute.allCases.filter { $0.kind == .personName }.map(\.keyword)
                    .joined(separator: ", "))
        }
        guard let part = PersonName.Part(rawValue: text.lowercased()) else {
            throw error(
                .unknownName, "a person name has no part '\(text)'", at: column,
                "the parts are " + PersonName.Part.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return part
    }

    // MARK: Errors

    private func misplacedFormat(_ subject: String, at colon: Int) -> TemplateError {
        error(
            .badFormat, "\(subject) is text and takes no format", at: colon,
            "dates take one such as yyyy-MM, whole numbers a number of digits")
    }

    private func unknown(_ keyword: String, at position: Int) -> TemplateError {
        if keyword.isEmpty {
            return error(
                .unknownName, "a keyword is missing", at: position,
                "a field holds a DICOM keyword, as in {PatientID}")
        }
        if keyword.lowercased() == "series" {
            return error(
                .badSeries, "{Series} takes neither a format nor alternatives", at: position,
                "write {SeriesNumber:3} {Modality} {SeriesDescription} instead")
        }
        let known = Attribute.allCases.map(\.keyword)
        let nearest = (known + ["Series"]).min {
            editDistance($0, keyword) < editDistance($1, keyword)
        }
        let isNear = nearest.map { editDistance($0, keyword) <= max(2, keyword.count / 3) } ?? false
        return error(
            .unknownName, "there is no indexed attribute '\(keyword)'", at: position,
            isNear
                ? "did you mean \(nearest ?? "")?"
                : "the attributes are Series, " + known.sorted().joined(separator: ", "))
    }

    private func error(
        _ code: TemplateError.Code, _ message: String, at position: Int, _ remedy: String
    ) -> TemplateError {
        TemplateError(code: code, message: message, column: position + 1, remedy: remedy)
    }
}

/// The number of letters to insert, remove or replace to get from one word to the other, ignoring
/// case (Levenshtein).
private func editDistance(_ left: String, _ right: String) -> Int {
    let right = Array(right.lowercased())
    var row = Array(0...right.count)
    for (i, letter) in left.lowercased().enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in right.enumerated() {
            let replaced = diagonal + (letter == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
        }
    }
    return row[right.count]
}
