import Foundation
import TOMLKit

/// The text of `pacsfs.toml`, changed line by line so that the comments and layout of its owner
/// stay.
struct ConfigurationFile {
    private(set) var lines: [String]

    init(_ text: String) { lines = text.components(separatedBy: "\n") }

    var text: String { lines.joined(separator: "\n") }

    /// The text without commands that are run and addresses that are called: they may have
    /// passwords in them, and from elsewhere they may be anybody's. A value may have many lines.
    var withoutCommands: String {
        var kept: [String] = []
        var end: String?
        for line in lines {
            if let quotes = end {
                if line.contains(quotes) { end = nil }
                continue
            }
            let (key, value) = Self.keyAndValue(of: line)
            guard ["alert_command", "ping_url"].contains(key) else {
                kept.append(line)
                continue
            }
            kept.append("# \(key) is left out here")
            end = ["\"\"\"", "\'\'\'"].first { value.hasPrefix($0) }
            if let quotes = end, value.dropFirst(3).contains(quotes) { end = nil }
        }
        return kept.joined(separator: "\n")
    }

    private static func keyAndValue(of line: String) -> (key: String, value: String) {
        let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let key = parts[0].trimmingCharacters(in: CharacterSet(charactersIn: " \t\"'"))
        return (key, parts.count < 2 ? "" : parts[1].trimmingCharacters(in: .whitespaces))
    }

    /// Adds a `[[volume]]` after the last one.
    mutating func addVolume(_ place: Settings.VolumePlace) throws {
        let block = [
            "", "[[volume]]", "path = \(Settings.quoted(place.path))",
            "domain = \(Settings.quoted(place.domain))",
        ]
        let end = blocks().last?.upperBound ?? firstTable() ?? lines.count
        lines.insert(contentsOf: block, at: end)
    }

    /// Adds a `[[volume]]` with the role `removable` after the last one.
    mutating func addRemovable(at path: String) {
        let block = ["", "[[volume]]", "path = \(Settings.quoted(path))", "role = \"removable\""]
        lines.insert(contentsOf: block, at: blocks().last?.upperBound ?? lines.count)
    }

    /// Whether there is a `[[volume]]` with this path.
    func hasVolume(at path: String) -> Bool {
        blocks().contains { lines[$0].contains { Self.path(in: $0) == path } }
    }

    /// Removes the `[[volume]]` with this path.
    ///
    /// - Throws: ``ArchiveError`` when there is none.
    mutating func removeVolume(at path: String) throws {
        guard
            let block = blocks().first(where: { lines[$0].contains { Self.path(in: $0) == path } })
        else {
            throw ArchiveError(
                .configuration,
                "pacsfs.toml has no [[volume]] with the path \(path) that could be removed.",
                remedy: "Remove it by hand."
            )
        }
        lines.removeSubrange(block)
    }

    /// The keys of a table in their order, if each has a line of its own.
    func keys(of table: String) -> [String] {
        range(of: table)?.dropFirst().flatMap { line in
            let keys = keys(inLine: line)
            return keys.count == 1 ? keys : []
        } ?? []
    }

    /// The keys that a line sets, without quotes and escapes.
    func keys(inLine line: Int) -> [String] {
        guard lines[line].contains("="), let only = try? TOMLTable(string: lines[line]) else {
            return []
        }
        return only.keys
    }

    /// The lines of a table, its header first; the lines before the first table when `table` is
    /// `nil`.
    ///
    /// - Parameter number: The index among tables of that name.
    func range(of table: String?, number: Int = 0) -> Range<Int>? {
        guard let table else { return 0..<(firstTable() ?? lines.count) }
        let starts = lines.indices.filter {
            ["[\(table)]", "[[\(table)]]"].contains(header(lines[$0]))
        }
        guard number < starts.count else { return nil }
        let start = starts[number]
        return start..<(lines[(start + 1)...].firstIndex { header($0) != nil } ?? lines.count)
    }

    /// The lines of each `[[volume]]`, without empty lines and comments at its end.
    private func blocks() -> [Range<Int>] {
        lines.indices.filter { header(lines[$0]) == "[[volume]]" }.map { start in
            var end = lines[(start + 1)...].firstIndex { header($0) != nil } ?? lines.count
            while end > start + 1, isEmptyOrComment(lines[end - 1]) { end -= 1 }
            return start..<end
        }
    }

    private func firstTable() -> Int? { lines.firstIndex { header($0) != nil } }

    private func isEmptyOrComment(_ line: String) -> Bool {
        let line = line.trimmingCharacters(in: .whitespaces)
        return line.isEmpty || line.hasPrefix("#")
    }

    /// `[name]` or `[[name]]`; `nil` when the line begins no table.
    private func header(_ line: String) -> String? {
        let line = line.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)[0]
            .filter { !$0.isWhitespace }
        return line.hasPrefix("[") ? String(line) : nil
    }

    private static func path(in line: String) -> String? {
        guard line.trimmingCharacters(in: .whitespaces).hasPrefix("path") else { return nil }
        return (try? Settings(toml: "[[volume]]\n" + line))?.volumes.first?.path
    }
}
