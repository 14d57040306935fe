import Foundation
import Glibc
import Storage
import System
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// Files whose owner puts something else in their place between the moment they are found and the
/// moment they are opened.
@Suite("Imports of what others can change")
struct ImportTests {
    private let temporary: TemporaryArchive
    private let image = series(images: 1)[0]
    private var source: String { temporary.folder.path("source") }
    private var secret: String { temporary.folder.path("secret") }

    init() throws {
        temporary = try TemporaryArchive()
        try temporary.folder.write(image, to: "source/study/1.dcm")
        try temporary.folder.write(Array("root:!:1".utf8), to: "secret/1.dcm")
    }

    private func found(_ path: String, root: String? = nil) throws -> ImportFile {
        let root = root ?? source
        let folder = try Descriptor(opening: root, O_RDONLY)
        let file = try Descriptor(opening: path, O_RDONLY)
        return ImportFile(
            path: path, rejectedPath: "source/1.dcm",
            root: .init(path: root, identity: FileIdentity(try FileFacts(of: folder.number))),
            identity: FileIdentity(try FileFacts(of: file.number)))
    }

    enum Swap: CaseIterable {
        case folderForLink, fileForLink, fileForFIFO, fileForOther, fileForFolder
        case rootForLink, folderForOther
    }

    @Test("What is in its place is not read, and the import goes on", arguments: Swap.allCases)
    func swapped(swap: Swap) throws {
        let (folder, file) = (source + "/study", source + "/study/1.dcm")
        let listed = try found(file)
        let other = try temporary.folder.write(series(seed: 2, images: 1)[0], to: "source/2.dcm")
        let good = try found(other)
        switch swap {
        case .folderForLink:
            #expect(rename(folder, folder + ".old") == 0 && symlink(secret, folder) == 0)
        case .folderForOther:
            #expect(rename(folder, folder + ".old") == 0 && rename(secret, folder) == 0)
        case .rootForLink:
            #expect(rename(source, source + ".old") == 0)
            #expect(mkdir(source, 0o755) == 0 && symlink(secret, folder) == 0)
        case .fileForLink:
            #expect(unlink(file) == 0 && symlink(secret + "/1.dcm", file) == 0)
        case .fileForFIFO: #expect(unlink(file) == 0 && mkfifo(file, 0o644) == 0)
        case .fileForOther:
            // Not the same inode again.
            #expect(rename(file, file + ".old") == 0 && rename(secret + "/1.dcm", file) == 0)
        case .fileForFolder: #expect(unlink(file) == 0 && mkdir(file, 0o755) == 0)
        }
        try temporary.open { (archive) throws in
            let results = archive.importFiles([listed, good])
            #expect(results[0].outcome == .failed)
            #expect(results[0].reason?.isEmpty == false)
            #expect(results[1].outcome == (swap == .rootForLink ? .failed : .archived))
            #expect(try archive.index.read { try $0.totals() }.rejected == 0)
        }
    }

    @Test("An argument may be a link, and so may a folder above it; a path may have any length")
    func links() throws {
        let link = temporary.folder.path("link")
        #expect(symlink(source, link) == 0)
        var folder = try Descriptor(opening: source, O_RDONLY | O_DIRECTORY)
        let name = String(repeating: "n", count: 100)
        for _ in 0..<100 {
            try systemCall { mkdirat(folder.number, name, 0o755) }
            folder = try Descriptor(opening: name, at: folder.number, O_RDONLY | O_DIRECTORY)
        }
        try systemCall { linkat(AT_FDCWD, source + "/study/1.dcm", folder.number, "deep.dcm", 0) }
        let first = try found(link + "/study/1.dcm", root: link)
        var deep = first
        deep.path = link + "/" + String(repeating: name + "/", count: 100) + "deep.dcm"
        try temporary.open { (archive) throws in
            let results = archive.importFiles([
                first, deep, try found(link + "/study/1.dcm", root: link + "/study/1.dcm"),
            ])
            #expect(results.map(\.outcome) == [.archived, .duplicate, .duplicate], "\(results)")
        }
    }

    @Test(
        "What is set aside belongs to whom it did, and nobody else can read it",
        .enabled(if: geteuid() == 0, "only root gives files away"),
        arguments: [0o600, 0o640, 0o644, 0o000, 0o4755])
    func modes(mode: Int) throws {
        let file = try temporary.folder.write(Array("a letter".utf8), to: "source/letter.txt")
        #expect(chown(file, 1234, 2345) == 0 && chmod(file, mode_t(mode)) == 0)
        try temporary.open { (archive) throws in
            #expect(archive.importFiles([try found(file)]).first?.outcome == .rejected)
        }
        for volume in temporary.volumes {
            let name = try #require(
                try files(below: volume + "/rejected").first { $0.hasSuffix("/1.dcm") })
            let copy = try Descriptor(opening: volume + "/rejected/" + name, O_RDONLY)
            let facts = try FileFacts(of: copy.number)
            #expect(facts.owner == 1234 && facts.group == 2345)
            #expect(facts.mode == UInt32(mode) & 0o644 | 0o400)
        }
    }
}
