import TestSupport
import Archive
import Foundation
import Storage
import TemporaryArchive
import Testing

@Suite("Making an archive")
struct CreateTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func create(_ path: String, _ volumes: [String], copies: Int = 2) throws {
        try Archive.create(
            at: path, volumes: volumes.map { Settings.VolumePlace(path: $0, domain: $0) },
            copies: copies)
    }

    private func refusal(_ path: String, _ volumes: [String], copies: Int = 2) throws -> String {
        let error = try #require(throws: ArchiveError.self) {
            try create(path, volumes, copies: copies)
        }
        #expect(error.code == .configuration)
        return error.description
    }

    private var everything: [String] {
        get throws { try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted() }
    }

    @Test("Everything is made, also the directories above, and opens")
    func makes() throws {
        let (path, volumes) = (
            folder.path("a/archive"), [folder.path("disk1/v"), folder.path("disk2/v")]
        )
        try create(path, volumes)
        let archive = try Archive(at: path, log: LogLines().logger)
        defer { archive.close() }
        #expect(archive.settings.volumes.map(\.path) == volumes)
        #expect(archive.settings.copies == 2)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o700)
        for (index, volume) in volumes.enumerated() {
            let identity = try Volume.open(at: volume, archive: archive.id).identity
            #expect(identity.ordinal == index + 1)
            #expect(identity.domain == volume)
        }
    }

    @Test("Directories that lie in one another are refused, and nothing is made")
    func nested() throws {
        let cases = [
            ("archive", ["archive/v1", "v2"]), ("archive", ["archive", "v2"]),
            ("v1/archive", ["v1", "v2"]),
            ("archive", ["v", "v/inner"]), ("archive", ["v/inner", "v"]), ("archive", ["v", "v"]),
        ]
        for (path, volumes) in cases {
            let message = try refusal(folder.path(path), volumes.map(folder.path))
            #expect(
                message.contains(
                    Set(volumes + [path]).count < 3 ? "is named twice" : "lie in one another"))
            #expect(
                message.contains(folder.path(volumes[0]))
                    || message.contains(folder.path(volumes[1])))
            #expect(try everything == [])
        }
        // Names that only begin with the same letters do not matter.
        try create(folder.path("v"), [folder.path("v1"), folder.path("v11")])
    }

    @Test("Too few volumes are refused, and the message says what to do")
    func tooFew() throws {
        #expect(try refusal(folder.path("a"), [folder.path("v")]).contains("--volume"))
        #expect(try refusal(folder.path("a"), [], copies: 1).contains("1 copies need at least 1"))
        #expect(try everything == [])
        try create(folder.path("a"), [folder.path("v")], copies: 1)
    }

    @Test("An archive that is there is not made again")
    func existing() throws {
        try create(folder.path("a"), [folder.path("v1"), folder.path("v2")])
        let before = try contents(of: folder.path("a/archive.json"))
        let message = try refusal(folder.path("a"), [folder.path("v3"), folder.path("v4")])
        #expect(message.contains("archive already"))
        #expect(try contents(of: folder.path("a/archive.json")) == before)
        #expect(!FileManager.default.fileExists(atPath: folder.path("v3")))
    }

    @Test(
        """
        A volume of another archive, or a directory that holds something, is refused and left as \
        it is
        """
    )
    func taken() throws {
        try create(folder.path("a"), [folder.path("v1"), folder.path("v2")])
        try folder.write([1], to: "photos/cat.jpg")
        let before = try everything
        let mine = try refusal(folder.path("b"), [folder.path("v2"), folder.path("w")])
        #expect(mine.contains(folder.path("v2")))
        let photos = try refusal(folder.path("c"), [folder.path("w"), folder.path("photos")])
        #expect(photos.contains(folder.path("photos")))
        #expect(photos.contains("cat.jpg"))
        #expect(try everything == before)
        // The volumes that were not the problem can be used at once.
        try create(folder.path("c"), [folder.path("w"), folder.path("x")])
    }

    @Test("A directory that is not an archive does not open, and is named")
    func noArchive() throws {
        for path in [folder.path, folder.path("missing")] {
            let error = try #require(throws: ArchiveError.self) {
                try Archive(at: path, log: LogLines().logger)
            }
            #expect(error.code == .notFound)
            #expect(error.description.contains(path + "/pacsfs.toml"))
        }
        #expect(try everything == [])
    }
}
