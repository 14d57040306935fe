import TOMLKit

/// A place in `pacsfs.toml`.
public struct ConfigurationPlace: Sendable, Equatable, CustomStringConvertible {
    /// From 1.
    public var line: Int
    /// In characters, from 1.
    public var column: Int
    /// The text of the line.
    public var text: String

    /// `LINE:COLUMN`, as compilers name places.
    public var description: String { "\(line):\(column)" }

    /// The line, and below it a mark at the column; two lines.
    public var excerpt: String {
        let line = String(text.map { $0.isWhitespace ? " " : $0 })
        return "    \(line)\n    \(String(repeating: " ", count: column - 1))^"
    }
}

/// A mistake in `pacsfs.toml`, with the setting it is in.
struct SettingMistake: Error {
    var message: String
    /// The table of the setting; `nil` for those before the first.
    var table: String?
    /// The index of the table, where there are several.
    var number = 0
    /// `nil` for the table as a whole.
    var key: String?
    /// The index of a character of its text; `nil` for the setting as a whole.
    var character: Int?

    init(_ key: String?, _ message: String) {
        self.message = message
        self.key = key
    }

    init(
        in table: String, number: Int = 0, _ key: String?, character: Int? = nil, _ message: String
    ) {
        self.message = message
        self.table = table
        self.number = number
        self.key = key
        self.character = character
    }

    func error(in file: ConfigurationFile) -> ArchiveError {
        ArchiveError(.configuration, message, at: file.place(of: self))
    }
}

extension ConfigurationFile {
    /// The place of a mistake; `nil` where it cannot be found, as in a table within a line.
    func place(of mistake: SettingMistake) -> ConfigurationPlace? {
        guard let range = range(of: mistake.table, number: mistake.number) else { return nil }
        guard let key = mistake.key else {
            return mistake.table == nil ? nil : place(line: range.lowerBound, column: 0)
        }
        guard let line = range.first(where: { keys(inLine: $0).contains(key) }) else { return nil }
        let characters = Array(lines[line])
        guard let character = mistake.character else {
            return place(line: line, column: characters.firstIndex { !$0.isWhitespace } ?? 0)
        }
        guard let value = Self.value(in: characters) else { return place(line: line, column: 0) }
        return place(
            line: line, column: Self.column(of: character, inTextAt: value, of: characters))
    }

    /// - Parameters: Indices, from 0.
    private func place(line: Int, column: Int) -> ConfigurationPlace {
        place(at: TOMLPosition(line: line + 1, column: column + 1))
    }

    /// - Parameter position: Line and column, from 1.
    func place(at position: TOMLPosition) -> ConfigurationPlace {
        let text = lines.indices.contains(position.line - 1) ? lines[position.line - 1] : ""
        return ConfigurationPlace(
            line: position.line, column: max(1, position.column),
            text: text.hasSuffix("\r") ? String(text.dropLast()) : text)
    }

    struct TOMLPosition {
        var line: Int
        var column: Int
    }

    /// The index at which the value of `key = value` begins.
    private static func value(in line: [Character]) -> Int? {
        var index = line.firstIndex { !$0.isWhitespace } ?? line.count
        if index < line.count, line[index] == "\"" || line[index] == "'" {
            index = end(ofTextAt: index, in: line)
        }
        guard let equals = line[index...].firstIndex(of: "=") else { return nil }
        return line[(equals + 1)...].firstIndex { !$0.isWhitespace }
    }

    private static func end(ofTextAt start: Int, in line: [Character]) -> Int {
        var index = start + 1
        while index < line.count, line[index] != line[start] {
            index += length(ofCharacterAt: index, in: line, quote: line[start])
        }
        return min(index + 1, line.count)
    }

    /// The column of a character of a text, which may have escapes before it.
    private static func column(of character: Int, inTextAt start: Int, of line: [Character]) -> Int
    {
        let quote = line[start]
        let isLong = line[start...].prefix(3).count { $0 == quote } == 3
        guard quote == "\"" || quote == "'", !isLong else { return start }
        var index = start + 1
        for _ in 0..<character where index < line.count && line[index] != quote {
            index += length(ofCharacterAt: index, in: line, quote: quote)
        }
        return min(index, line.count)
    }

    /// TOML 1.0, String: a backslash is an escape only between double quotes.
    private static func length(ofCharacterAt index: Int, in line: [Character], quote: Character)
        -> Int
    {
        guard quote == "\"", line[index] == "\\", index + 1 < line.count else { return 1 }
        return line[index + 1] == "u" ? 6 : line[index + 1] == "U" ? 10 : 2
    }
}
