import Foundation
import System
import TOMLKit

extension Settings {
    /// - Throws: ``ArchiveError`` that names the file and the place in it.
    public init(file path: String) throws(ArchiveError) {
        let text = try Self.text(of: path)
        do {
            try self.init(toml: text)
        } catch let error as ArchiveError {
            let place = error.place.map { ":\($0)" } ?? ""
            throw ArchiveError(.configuration, "\(path)\(place): \(error.message)", at: error.place)
        } catch {
            throw ArchiveError(.configuration, "\(path): \(error)")
        }
    }

    /// What is in `pacsfs.toml`.
    static func text(of path: String) throws(ArchiveError) -> String {
        if RegularFile.isTaken(path) { throw ArchiveError(notAPlainFile: path) }
        let bytes: [UInt8]
        do throws(Errno) { bytes = try RegularFile.content(of: path) } catch {
            throw ArchiveError(.notFound, "Cannot read \(path): \(error)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ArchiveError(.configuration, "Cannot read \(path): it is not in UTF-8")
        }
        return text
    }

    /// - Throws: ``ArchiveError``, with line and column if they are known.
    init(toml text: String) throws {
        do { try self.init(readingTOML: text) } catch let mistake as SettingMistake {
            throw mistake.error(in: ConfigurationFile(text))
        } catch let error as TOMLParseError {
            let (line, column) = (error.source.begin.line, error.source.begin.column)
            throw ArchiveError(
                .configuration, error.description,
                at: ConfigurationFile(text).place(at: .init(line: line, column: column)))
        }
    }

    private init(readingTOML text: String) throws {
        self.init()
        let table = try TOMLTable(string: text)
        let known: Set = [
            "copies", "min_copies", "settle", "ignore", "ignore_case", "readers", "writers",
            "volume", "volumes", "scrub", "views", "offsite", "drill", "alert_command",
            "ping_url",
        ]
        if let unknown = table.keys.first(where: { !known.contains($0) }) {
            throw SettingMistake(
                unknown,
                """
                \"\(unknown)\" is not a setting. There are: \
                \(known.sorted().joined(separator: ", ")).
                """
            )
        }
        if let value = table["copies"] {
            guard let copies = value.int, (1...16).contains(copies) else {
                throw SettingMistake("copies", "\"copies\" must be a number from 1 to 16.")
            }
            self.copies = copies
        }
        if let value = table["min_copies"] {
            guard let least = value.int, (1...copies).contains(least) else {
                throw SettingMistake(
                    "min_copies",
                    "\"min_copies\" must be a number from 1 to \"copies\", which is \(copies).")
            }
            leastCopies = least
        }
        if let value = table["settle"] {
            guard let settle = value.double ?? value.int.map(Double.init),
                (0...3600).contains(settle)
            else {
                throw SettingMistake(
                    "settle", "\"settle\" must be a number of seconds from 0 to 3600.")
            }
            self.settle = settle
        }
        if let value = table["ignore"] {
            guard let names = value.array, names.allSatisfy({ $0.string != nil }) else {
                throw SettingMistake("ignore", "\"ignore\" must be a list of names.")
            }
            ignored = names.compactMap(\.string)
            for pattern in ignored {
                guard let example = Self.image(matching: pattern) else { continue }
                throw SettingMistake(
                    "ignore",
                    """
                    \"ignore\" has \"\(pattern)\", which is what images are called, such as \
                    \"\(example)\". Name files that are never images, such as \"Thumbs.db\".
                    """
                )
            }
        }
        if let value = table["ignore_case"] {
            guard let ignores = value.bool else {
                throw SettingMistake("ignore_case", "\"ignore_case\" must be true or false.")
            }
            ignoresCase = ignores
        }
        if let value = table["alert_command"] { alertCommand = try Self.command(value.string) }
        if let value = table["ping_url"] { pingURL = try Self.address(value.string) }
        readers = try Self.group(table, "readers")
        writers = try Self.group(table, "writers")
        if let value = table["scrub"] { try readScrub(value.table) }
        if let value = table["drill"] { try readDrill(value.table) }
        if let value = table["offsite"] { try readOffsite(value.table) }
        if let value = table["volumes"] { try readVolumes(value.table) }
        guard let list = table["volume"]?.array, !list.isEmpty else {
            throw SettingMistake(nil, "There is no [[volume]].")
        }
        for (index, element) in list.enumerated() {
            guard let volume = element.table, let path = volume["path"]?.string, path.hasPrefix("/")
            else {
                throw SettingMistake(
                    in: "volume", number: index, element.table?["path"].map { _ in "path" },
                    "The \(index + 1). [[volume]] needs an absolute \"path\".")
            }
            if let unknown = volume.keys.first(where: { !["path", "domain", "role"].contains($0) })
            {
                throw SettingMistake(
                    in: "volume", number: index, unknown,
                    """
                    \"\(unknown)\" of the \(index + 1). [[volume]] is not a setting. There are: \
                    domain, path, role.
                    """
                )
            }
            if let role = volume["role"] {
                guard role.string == "removable" else {
                    throw SettingMistake(
                        in: "volume", number: index, "role",
                        """
                        "role" of the \(index + 1). [[volume]] must be "removable", or missing.
                        """
                    )
                }
                removable.append(path)
                continue
            }
            volumes.append(VolumePlace(path: path, domain: volume["domain"]?.string ?? path))
        }
        guard !volumes.isEmpty else {
            throw SettingMistake(nil, "There is no [[volume]] without a role.")
        }
        if let value = table["views"] {
            guard let templates = value.table else {
                throw SettingMistake("views", "\"views\" must be a table of templates.")
            }
            namesViews = true
            views = try Self.views(templates, inOrderOf: ConfigurationFile(text).keys(of: "views"))
        }
    }

    private static func command(_ line: String?) throws -> String {
        guard let line, line.contains(where: { !$0.isWhitespace }), !line.contains("\0") else {
            throw SettingMistake("alert_command", "\"alert_command\" must be a line for the shell.")
        }
        return line
    }

    private static func address(_ text: String?) throws -> String {
        guard let text, text.hasPrefix("https://") || text.hasPrefix("http://"),
            text.unicodeScalars.allSatisfy({
                ("!"..."~").contains($0) && $0 != "\"" && $0 != "\\"
            })
        else {
            throw SettingMistake(
                "ping_url", "\"ping_url\" must be an address that begins with https:// or http://.")
        }
        return text
    }

    private mutating func readVolumes(_ table: TOMLTable?) throws {
        guard let table, table.keys.allSatisfy({ $0 == "patience" }) else {
            throw SettingMistake(
                in: "volumes", nil,
                "[volumes] has \"patience\", and nothing else. A volume is a [[volume]].")
        }
        guard let value = table["patience"] else { return }
        guard let patience = value.double ?? value.int.map(Double.init),
            (1...3600).contains(patience)
        else {
            throw SettingMistake(
                in: "volumes", "patience",
                "\"patience\" of [volumes] must be a number of seconds from 1 to 3600.")
        }
        self.patience = patience
    }

    private mutating func readScrub(_ table: TOMLTable?) throws {
        guard let table, table.keys.allSatisfy(["days", "rate"].contains) else {
            throw SettingMistake(
                in: "scrub", nil, "[scrub] has \"days\" and \"rate\", and nothing else.")
        }
        if let value = table["days"] {
            guard let days = value.double ?? value.int.map(Double.init), (0...3650).contains(days)
            else {
                throw SettingMistake(
                    in: "scrub", "days",
                    "\"days\" of [scrub] must be a number of days from 0 (never) to 3650.")
            }
            scrubDays = days
        }
        if let value = table["rate"] {
            guard let rate = value.string.flatMap(Self.rate) ?? value.int.map(Int64.init), rate >= 0
            else {
                throw SettingMistake(
                    in: "scrub", "rate",
                    """
                    \"rate\" of [scrub] must be bytes a second such as \"20M\", or \"0\" for no \
                    limit.
                    """
                )
            }
            scrubRate = rate == 0 ? nil : rate
        }
    }

    private mutating func readDrill(_ table: TOMLTable?) throws {
        guard let table, table.keys.allSatisfy({ ["days", "bytes"].contains($0) }) else {
            throw SettingMistake(
                in: "drill", nil, "[drill] has \"days\" and \"bytes\", and nothing else.")
        }
        if let value = table["bytes"] {
            guard let bytes = value.string.flatMap(Self.rate) ?? value.int.map(Int64.init),
                bytes >= 0
            else {
                throw SettingMistake(
                    in: "drill", "bytes",
                    "\"bytes\" of [drill] must be bytes such as \"4G\", or \"0\" for no limit.")
            }
            drillBytes = bytes == 0 ? nil : bytes
        }
        guard let value = table["days"] else { return }
        guard let days = value.double ?? value.int.map(Double.init), (0...3650).contains(days)
        else {
            throw SettingMistake(
                in: "drill", "days",
                "\"days\" of [drill] must be a number of days from 0 (never) to 3650.")
        }
        drillDays = days
    }

    /// Reads `20M` as bytes per second, in powers of 1000; `nil` when it is not a rate.
    public static func rate(_ text: String) -> Int64? {
        let units: [Character: Double] = ["k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Double(unit == nil ? text : String(text.dropLast())), number.isFinite,
            number >= 0, number * (unit ?? 1) < 1e15
        else { return nil }
        return Int64(number * (unit ?? 1))
    }
}
