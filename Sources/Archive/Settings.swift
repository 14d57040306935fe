import Foundation
import Naming
import TOMLKit

/// What `pacsfs.toml` says.
public struct Settings: Sendable {
    public struct VolumePlace: Sendable, Equatable {
        public var path: String
        /// What fails together with it: a disk, a machine, a room.
        public var domain: String

        public init(path: String, domain: String) {
            self.path = path
            self.domain = domain
        }
    }

    /// On how many volumes each image is kept.
    public var copies = 2
    /// On how many it must be before a file counts as safe, when that many volumes are not there;
    /// `nil` when that is `copies`.
    public var leastCopies: Int?
    /// Seconds for which a name stays in `/incoming` after it was last used.
    public var settle = 10.0
    /// Names that are cleared from `/incoming` without a word; `*` at an end stands for anything.
    public var ignored = ["Thumbs.db", ".DS_Store", "desktop.ini", "._*", directoryName]
    /// Whether names are found in any case.
    public var ignoresCase = false
    /// In how many days everything is read once; 0 for never.
    public var scrubDays = 30.0
    /// Bytes a second that the daemon reads for it at most; `nil` for no limit.
    public var scrubRate: Int64?
    /// The group that sees the archive; `nil` for everybody.
    public var readers: Group?
    /// The group that may write to `/incoming`; `nil` for everybody.
    public var writers: Group?
    public var views = DefaultViews.all
    /// Whether the file has the table `[views]`; an archive whose file has none keeps those it shows.
    public var namesViews = false
    public var volumes: [VolumePlace] = []

    /// Names at the root of the mount that no view may have.
    static let reserved: Set<String> = ["incoming", "rejected", "search", "readme.txt", "status.html"]

    public init() {}

    /// On how many volumes a file must be before it counts as safe.
    public var minimumCopies: Int { min(leastCopies ?? copies, copies) }

    /// The name of a DICOMDIR (PS3.10 section 8.6), which is known by its content: an image of
    /// that name is an image.
    private static let directoryName = "DICOMDIR"

    /// Whether a DICOMDIR is cleared away quietly. It repeats what the images of its disc say
    /// of themselves, with their places there: nothing is lost with it.
    public var ignoresDirectories: Bool {
        ignored.contains { $0.lowercased() == Self.directoryName.lowercased() }
    }

    /// - parameter name: the bytes of a file name
    public func ignores(_ name: [UInt8]) -> Bool {
        let name = String(decoding: name, as: UTF8.self).lowercased()
        return ignored.contains { pattern in
            let pattern = pattern.lowercased()
            if pattern == Self.directoryName.lowercased() { return false }
            if pattern.hasSuffix("*") { return name.hasPrefix(pattern.dropLast()) }
            if pattern.hasPrefix("*") { return name.hasSuffix(pattern.dropFirst()) }
            return name == pattern
        }
    }
}

extension Settings {
    /// - throws: ``ArchiveError`` that names the file and the place in it.
    public init(file path: String) throws(ArchiveError) {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw ArchiveError(.notFound, "Cannot read \(path): \(error.localizedDescription)")
        }
        do {
            try self.init(toml: text)
        } catch let error as ArchiveError {
            let place = error.place.map { ":\($0)" } ?? ""
            throw ArchiveError(.configuration, "\(path)\(place): \(error.message)", at: error.place)
        } catch {
            throw ArchiveError(.configuration, "\(path): \(error)")
        }
    }

    /// - throws: ``ArchiveError`` with the place, where that can be told
    init(toml text: String) throws {
        do { try self.init(readingTOML: text) } catch let mistake as SettingMistake {
            throw mistake.error(in: ConfigurationFile(text))
        } catch let error as TOMLParseError {
            let (line, column) = (error.source.begin.line, error.source.begin.column)
            throw ArchiveError(
                .configuration, error.description, at: ConfigurationFile(text).place(at: .init(line: line, column: column)))
        }
    }

    private init(readingTOML text: String) throws {
        self.init()
        let table = try TOMLTable(string: text)
        let known: Set = [
            "copies", "min_copies", "settle", "ignore", "ignore_case", "readers", "writers", "volume", "scrub", "views",
        ]
        if let unknown = table.keys.first(where: { !known.contains($0) }) {
            throw SettingMistake(unknown, "«\(unknown)» is no setting. There are: \(known.sorted().joined(separator: ", ")).")
        }
        if let value = table["copies"] {
            guard let copies = value.int, (1...16).contains(copies) else {
                throw SettingMistake("copies", "«copies» must be a number from 1 to 16.")
            }
            self.copies = copies
        }
        if let value = table["min_copies"] {
            guard let least = value.int, (1...copies).contains(least) else {
                throw SettingMistake("min_copies", "«min_copies» must be a number from 1 to «copies», which is \(copies).")
            }
            leastCopies = least
        }
        if let value = table["settle"] {
            guard let settle = value.double ?? value.int.map(Double.init), (0...3600).contains(settle) else {
                throw SettingMistake("settle", "«settle» must be a number of seconds from 0 to 3600.")
            }
            self.settle = settle
        }
        if let value = table["ignore"] {
            guard let names = value.array, names.allSatisfy({ $0.string != nil }) else {
                throw SettingMistake("ignore", "«ignore» must be a list of names.")
            }
            ignored = names.compactMap(\.string)
        }
        if let value = table["ignore_case"] {
            guard let ignores = value.bool else {
                throw SettingMistake("ignore_case", "«ignore_case» must be true or false.")
            }
            ignoresCase = ignores
        }
        readers = try Self.group(table, "readers")
        writers = try Self.group(table, "writers")
        if let value = table["scrub"] { try readScrub(value.table) }
        guard let list = table["volume"]?.array, !list.isEmpty else {
            throw SettingMistake(nil, "There is no [[volume]].")
        }
        for (index, element) in list.enumerated() {
            guard let volume = element.table, let path = volume["path"]?.string, path.hasPrefix("/") else {
                throw SettingMistake(in: "volume", number: index, element.table?["path"].map { _ in "path" }, "The \(index + 1). [[volume]] needs an absolute «path».")
            }
            if let unknown = volume.keys.first(where: { !["path", "domain"].contains($0) }) {
                throw SettingMistake(in: "volume", number: index, unknown, "«\(unknown)» of the \(index + 1). [[volume]] is no setting. There are: domain, path.")
            }
            volumes.append(VolumePlace(path: path, domain: volume["domain"]?.string ?? path))
        }
        if let value = table["views"] {
            guard let templates = value.table else {
                throw SettingMistake("views", "«views» must be a table of templates.")
            }
            namesViews = true
            views = try Self.views(templates, inOrderOf: ConfigurationFile(text).keys(of: "views"))
        }
    }

    private mutating func readScrub(_ table: TOMLTable?) throws {
        guard let table, table.keys.allSatisfy(["days", "rate"].contains) else {
            throw SettingMistake(in: "scrub", nil, "[scrub] has «days» and «rate», and nothing else.")
        }
        if let value = table["days"] {
            guard let days = value.double ?? value.int.map(Double.init), (0...3650).contains(days) else {
                throw SettingMistake(in: "scrub", "days", "«days» of [scrub] must be a number of days from 0 (never) to 3650.")
            }
            scrubDays = days
        }
        if let value = table["rate"] {
            guard let rate = value.string.flatMap(Self.rate) ?? value.int.map(Int64.init), rate >= 0 else {
                throw SettingMistake(in: "scrub", "rate", "«rate» of [scrub] must be bytes a second such as \"20M\", or \"0\" for no limit.")
            }
            scrubRate = rate == 0 ? nil : rate
        }
    }

    /// Reads `20M` as bytes a second, in powers of 1000; `nil` when it is none.
    public static func rate(_ text: String) -> Int64? {
        let units: [Character: Double] = ["k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9]
        let unit = text.last.flatMap { units[$0] }
        guard let number = Double(unit == nil ? text : String(text.dropLast())), number.isFinite,
            number >= 0, number * (unit ?? 1) < 1e15
        else { return nil }
        return Int64(number * (unit ?? 1))
    }

    /// The text of a new `pacsfs.toml`, with comments.
    public var toml: String {
        var text = """
            # Configuration of this pacsfs archive. After a change: pacsfs reload. It takes over
            # views, settle, ignore, ignore_case and scrub; the rest needs a restart of the daemon.

            # On how many volumes every image is kept.
            copies = \(copies)

            # On how many it must be before a file counts as safe, while volumes are away. What is
            # missing is made up for when they are back.
            \(leastCopies.map { "min_copies = \($0)" } ?? "# min_copies = 1")

            # Seconds for which a name stays in incoming/ after it was last used.
            settle = \(settle == settle.rounded() ? String(Int(settle)) : String(settle))

            # Names that are cleared from incoming/ quietly. DICOMDIR stands for the table of
            # contents of a disc, known by its content.
            ignore = [\(ignored.map(Self.quoted).joined(separator: ", "))]

            # true: names are found in any case, as Windows expects, so that Samba need not read
            # whole folders to find them («case sensitive = yes» in smb.conf).
            ignore_case = \(ignoresCase)

            # The group (name or number) that sees the archive, and the one that may add to it.
            # Without «writers», those who may read; without both, everybody whom the mount lets in.
            \(Self.setting("readers", readers))
            \(Self.setting("writers", writers))

            """
        text += """

            # Every copy is read and compared with its name once in so many days (0: never), by
            # the daemon, at most at this rate in bytes a second ("20M"; "0": no limit).
            [scrub]
            days = \(scrubDays == scrubDays.rounded() ? String(Int(scrubDays)) : String(scrubDays))
            rate = "\(scrubRate ?? 0)"

            """
        for volume in volumes {
            text += """

                [[volume]]
                path = \(Self.quoted(volume.path))
                # What fails together: volumes with the same domain do not count as two copies
                # as long as there is another one.
                domain = \(Self.quoted(volume.domain))

                """
        }
        text += """

            # How the archive is shown: a folder for each view, levels made of DICOM keywords. A
            # field that ends with ! leaves out images without a value. Try one before it is used:
            # pacsfs views try "{PatientID}/{StudyDate}". A view that is taken out keeps its paths
            # for when it is put in again.
            [views]

            """
        for view in views {
            text += "\(Self.key(view.name)) = \(Self.quoted(view.template.description))\n"
        }
        return text
    }

    /// A key as it is where TOML allows that, else in quotes.
    private static func key(_ text: String) -> String {
        let isBare = !text.isEmpty && text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isBare ? text : quoted(text)
    }

    /// A basic string (TOML 1.0, String).
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\u{0}"..<"\u{20}", "\u{7F}":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
