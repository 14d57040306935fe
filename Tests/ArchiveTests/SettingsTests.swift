import TestSupport
import Foundation
import Naming
import TemporaryArchive
import Testing

@testable import Archive

@Suite("Settings")
struct SettingsTests {
    private static let volume = "\n[[volume]]\npath = \"/v\"\n"

    @Test(
        "A setting that makes no sense is refused, with its line and column",
        arguments: [
            ("copies = 0", "\"copies\""), ("copies = 17", "\"copies\""),
            ("copies = \"two\"", "\"copies\""),
            ("copies = 1.5", "\"copies\""), ("settle = -1", "\"settle\""),
            ("settle = 3601", "\"settle\""),
            ("settle = \"soon\"", "\"settle\""), ("ignore = \"Thumbs.db\"", "\"ignore\""),
            ("ignore = [1]", "\"ignore\""), ("ignore = [\"*\"]", "IM000001"),
            ("ignore = [\"._*\", \"*.DCM\"]", "IM000001.dcm"),
            ("ignore = [\"**\"]", "IM000001"), ("ignore = [\"*.*\"]", "IM000001.dcm"),
            ("ignore = [\"?*\"]", "IM000001"), ("ignore = [\"*.ima\"]", "IM000001.ima"),
            ("copys = 2", "\"copys\""), ("views = 3", "\"views\""),
            ("readers = 1.5", "\"readers\""), ("readers = -1", "\"readers\""),
            ("writers = \"\"", "\"writers\""),
            ("copies = ", ":1:"), ("settle = 10\ncopies = [", ":4:3: Error while parsing value"),
            ("[scrub]\ndays = -1", ":2:1: \"days\""),
            ("# first\n  settle = -1", ":2:3: \"settle\""),
            ("settle = 1\nreaders = -1", ":2:1: \"readers\""),
        ])
    func wrong(line: String, names: String) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(Array((line + "\n" + Self.volume).utf8), to: "pacsfs.toml")
        let error = try #require(throws: ArchiveError.self) { try Settings(file: file) }
        #expect(error.code == .configuration)
        #expect(
            error.description.hasPrefix("\(file):\(try #require(error.place)): "),
            "\(error.description)")
        #expect(error.description.contains(names), "\(error.description)")
    }

    @Test(
        "Volumes and views are checked, and the wrong one is named",
        arguments: [
            ("", "[[volume]]"), ("[[volume]]\ndomain = \"x\"", "1. [[volume]]"),
            ("[[volume]]\npath = \"relative\"", "1. [[volume]]"),
            (volume + "[[volume]]\npath = 7", "2. [[volume]]"),
            (volume + "doman = \"x\"", "\"doman\" of the 1. [[volume]]"),
            (volume + "[views]\na = 7", "\"a\""), (volume + "[views]\na = \"{Nonsense}\"", "\"a\""),
            (volume + "[views]\na = \"{PatientID\"", "\"a\""),
            (volume + "[views]\nincoming = \"{PatientID}\"", "\"incoming\""),
            (volume + "[views]\nRejected = \"{PatientID}\"", "\"Rejected\""),
            (volume + "[views]\nsearch = \"{PatientID}\"", "\"search\""),
            (volume + "[views]\n\"a/b\" = \"{PatientID}\"", "\"a/b\""),
            (volume + "[views]\n\"\" = \"{PatientID}\"", "\"\""),
            (volume + "[views]\n\"..\" = \"{PatientID}\"", "\"..\""),
            (volume + "[views]\ncon = \"{PatientID}\"", "\"con\""),
            (
                volume + "[views]\nby-id = \"{PatientID}\"\nBY-ID = \"{PatientName}\"",
                "two views \"BY-ID\""
            ),
            (volume + "[views]", "at least one view"),
            (volume + "[views]\nby-id = \"{PatientID!}\"", "without \"!\""),
            (
                volume + "[views]\na = \"{PatientID}\"\nb = \"{StudyDate}/{PatienID}\"",
                "\"b\": there is no indexed attribute"
            ),
        ])
    func wrongTables(text: String, names: String) throws {
        do {
            _ = try Settings(toml: text)
            Issue.record("\(text) was taken")
        } catch let error as ArchiveError {
            #expect(error.code == .configuration)
            #expect(error.description.contains(names), "\(error.description)")
        }
    }

    @Test("A file that is not there is named")
    func missing() throws {
        let error = try #require(throws: ArchiveError.self) {
            try Settings(file: "/no/such/pacsfs.toml")
        }
        #expect(error.code == .notFound)
        #expect(error.description.contains("/no/such/pacsfs.toml"))
    }

    @Test("A missing setting has a default")
    func defaults() throws {
        let settings = try Settings(toml: Self.volume)
        #expect(settings.copies == 2)
        #expect(settings.settle == 10)
        #expect(settings.ignored.contains("Thumbs.db"))
        #expect(settings.views == DefaultViews.all)
        #expect(settings.volumes == [.init(path: "/v", domain: "/v")])
    }

    @Test("Settings come back from the text that is written for them")
    func roundTrip() throws {
        var settings = Settings()
        settings.copies = 3
        settings.settle = 2.5
        settings.ignored = ["*.tmp", "a\"b\\c", "ü"]
        settings.readers = .name("Domain \"Users\"")
        settings.writers = .number(4711)
        settings.volumes = [
            .init(path: "/srv/disk \"1\"", domain: "C:\\server"),
            .init(path: "/srv/ü", domain: "a = b # no comment"),
        ]
        settings.views = try ["by-id", "a", "mit Leerzeichen", "by.dot", "nach Größe"].map {
            View(name: $0, template: try Template("{PatientName} ({PatientID})/{Series}"))
        }
        let read = try Settings(toml: settings.toml)
        #expect(read.copies == settings.copies)
        #expect(read.settle == settings.settle)
        #expect(read.ignored == settings.ignored)
        #expect(read.volumes == settings.volumes)
        #expect(read.readers == settings.readers && read.writers == settings.writers)
        #expect(read.views == settings.views)
    }

    @Test("A path with a line break or a tab comes back too")
    func controlCharacters() throws {
        var settings = Settings()
        settings.volumes = [.init(path: "/srv/a\nb\tc\u{1}\u{7F}", domain: "x\r\ny")]
        #expect(try Settings(toml: settings.toml).volumes == settings.volumes)
    }

    @Test("The default views are written as they are")
    func defaultViews() throws {
        var settings = Settings()
        settings.volumes = [.init(path: "/v", domain: "d")]
        #expect(try Settings(toml: settings.toml).views == DefaultViews.all)
    }

    @Test(
        "Names to ignore match whole, or at an end marked with *, whatever the case",
        arguments: [
            ("Thumbs.db", true), ("THUMBS.DB", true), ("Thumbs.db.dcm", false), (".DS_Store", true),
            ("._IM1.dcm", true), ("._", true), (".IM1", false), ("desktop.ini", true),
            ("IM1.dcm", false), ("", false),
        ])
    func ignores(name: String, isIgnored: Bool) {
        #expect(Settings().ignores(Array(name.utf8)) == isIgnored)
        var ends = Settings()
        ends.ignored = ["*.log"]
        for pattern in Settings().ignored + ["*.log", "IM*", "*.txt", "", "._*"] {
            #expect(Settings.image(matching: pattern) == nil)
        }
        #expect(ends.ignores(Array("A.LOG".utf8)))
        #expect(!ends.ignores(Array("A.LOG.dcm".utf8)))
    }

    @Test(
        "A mistake in a template is reported with line and column, after any quotes and escapes",
        arguments: [
            (#"b = "{StudyDate}/{PatienID}""#, 19), (#"  b="{PatienID}""#, 7),
            (#"b = '{PatientID}\{PatienID}' # why"#, 19),
            (#""a = b" = "x{PatienID}""#, 14), (#"b = "\"\u0041\\{PatienID}""#, 17),
            (#"b = """{PatienID}""""#, 5),
            (#"b = "{PatientID""#, 6), (#"b = """#, 6), ("b = \"ä {PatienID}\"", 9),
        ])
    func templatePlace(line: String, column: Int) throws {
        let text =
            "# ä\n" + Self.volume + "[views]\na = \"{PatientID}\"\n\(line)\nz = \"{PatientID}\"\n"
        let error = try #require(throws: ArchiveError.self) { try Settings(toml: text) }
        let place = try #require(error.place)
        #expect(place.description == "7:\(column)" && place.text == line, "\(error)")
        #expect(place.excerpt == "    \(line)\n" + String(repeating: " ", count: 3 + column) + "^")
    }

    @Test("A mistake in one of several volumes is reported with its line")
    func volumePlace() throws {
        for (wrong, place) in [
            ("path = 7", "7:1"), ("# nothing", "6:1"), ("path = \"/w\"\ndoman = \"x\"", "8:1"),
        ] {
            let error = try #require(throws: ArchiveError.self) {
                try Settings(toml: Self.volume + "\n\n[[volume]]\n" + wrong)
            }
            #expect(error.place?.description == place, "\(error)")
        }
    }
}
