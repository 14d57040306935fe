import Archive
import CFuse3
import Foundation
import Glibc
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("Searching, without a mount")
struct SearchTests {
    private let temporary: TemporaryArchive
    private let archive: Archive
    private let fileSystem: FileSystem

    init() throws {
        temporary = try TemporaryArchive()
        archive = try Archive(at: temporary.path, log: temporary.log.logger)
        fileSystem = FileSystem(
            archive: archive, negotiation: InitNegotiation(wantsPassthrough: false),
            permissions: .everybody, searchLimit: 2)
    }

    private func lookup(_ names: String..., by caller: CallingThread = CallingThread(id: 0)) throws
        -> fuse_entry_param
    {
        try lookup(names, by: caller)
    }

    private func lookup(_ names: [String], by caller: CallingThread = CallingThread(id: 0)) throws
        -> fuse_entry_param
    {
        var entry = fuse_entry_param()
        entry.ino = FixedEntry.search.number
        for name in names {
            entry = try fileSystem.lookup(Array(name.utf8), in: entry.ino, by: caller)
        }
        return entry
    }

    /// What READDIR gives, in portions, but for `.` and `..`.
    private func names(_ number: UInt64) throws -> [Listed] {
        let snapshot = try fileSystem.openDirectory(number)
        var listed: [Listed] = []
        while true {
            let portion = try list(size: 300) { buffer in
                try fileSystem.readDirectory(
                    number, snapshot: snapshot, after: listed.last?.cookie ?? 0, plus: false,
                    into: &buffer)
            }
            if portion.isEmpty { break }
            listed += portion
        }
        #expect(listed.prefix(2).map(\.name) == [".", ".."])
        return Array(listed.dropFirst(2))
    }

    private func names(in folder: String...) throws -> [String] {
        try names(lookup(folder).ino).map(\.name)
    }

    private func text(_ number: UInt64) throws -> String {
        guard case .text(let bytes, _) = try fileSystem.open(number, flags: O_RDONLY) else {
            return ""
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func keep(_ words: String) throws {
        #expect(
            try fileSystem.keepSearch(Array(words.utf8), in: FixedEntry.search.number, by: 0) != nil
        )
    }

    private func forget(_ words: String) throws {
        #expect(try fileSystem.forgetSearch(Array(words.utf8), in: FixedEntry.search.number))
    }

    private func study(_ seed: UInt64) -> SyntheticStudy {
        SyntheticStudy(
            seed: seed, modality: .computedTomography, series: 2, imagesPerSeries: 2, side: 16)
    }

    private func archive(_ study: SyntheticStudy) throws {
        for series in 0..<2 {
            for index in 0..<2 {
                _ = try archive.ingest(
                    study.image(series: series, index: index).write(), in: temporary.folder)
            }
        }
    }

    @Test(
        """
        A search shows studies, in them their series, in them the images with the inodes of the \
        views
        """
    )
    func results() throws {
        try archive(study(1))
        let folder = try lookup("ct")
        let studies = try names(folder.ino)
        #expect(studies.count == 1)
        let series = try names(lookup("ct", studies[0].name).ino)
        #expect(series.count == 2 && series.allSatisfy { $0.type == UInt32(DT_DIR) })
        let images = try names(lookup("ct", studies[0].name, series[0].name).ino)
        #expect(images.map(\.name) == ["00001.dcm", "00002.dcm"])
        let image = try lookup("ct", studies[0].name, series[0].name, "00001.dcm")
        #expect(image.ino == images[0].inode)
        let details = try #require(
            try archive.index.read { try $0.details(Int64(image.ino & 0xFFFF)) })
        #expect(
            image.attr.st_nlink == UInt(details.paths.count)
                && image.attr.st_mode == S_IFREG | 0o444)
        #expect(image.attr.st_size == Int(details.bytes))
        #expect(
            details.paths.contains { $0.last == "00001.dcm" && $0[$0.count - 2] == series[0].name })
        #expect(folder.entry_timeout <= 1 && folder.attr_timeout <= 1)
    }

    @Test(
        "A study has the same inode number in every search, and is another directory to the kernel")
    func oneInode() throws {
        try archive(study(1))
        let name = try #require(try names(in: "ct").first)
        let one = try lookup("ct", name)
        let other = try lookup("modality=CT", name)
        #expect(one.attr.st_ino == other.attr.st_ino && one.ino != other.ino)
        #expect(try names(lookup("ct").ino).first?.inode == UInt64(one.attr.st_ino))
        let series = try #require(try names(one.ino).first).name
        let (first, second) = try (lookup("ct", name, series), lookup("modality=CT", name, series))
        #expect(first.attr.st_ino == second.attr.st_ino && first.ino != second.ino)
        #expect(first.attr.st_ino != one.attr.st_ino)
    }

    @Test("The way up leads where the way down came from; a name of one dot is the place itself")
    func dots() throws {
        try archive(study(1))
        let study = try #require(try names(in: "ct").first)
        let series = try #require(try names(in: "ct", study).first)
        let path = ["ct", study, series]
        for depth in 1...3 {
            let here = try lookup(Array(path.prefix(depth)))
            #expect(try fileSystem.lookup([46], in: here.ino).ino == here.ino)
            #expect(
                try fileSystem.lookup([46, 46], in: here.ino).ino
                    == lookup(Array(path.prefix(depth - 1))).ino)
        }
        #expect(
            try fileSystem.lookup([46, 46], in: FixedEntry.search.number).ino
                == FixedEntry.root.number)
        #expect(
            try fileSystem.lookup([46, 46], in: FixedEntry.searchHelp.number).ino
                == FixedEntry.search.number)
        #expect(
            try fileSystem.lookup([46, 46], in: FixedEntry.readme.number).ino
                == FixedEntry.root.number)
        let image = try lookup(path + ["00001.dcm"])
        #expect(try fileSystem.lookup([46], in: image.ino).ino == image.ino)
        let leaf = try fileSystem.lookup([46, 46], in: image.ino)
        #expect(try fileSystem.lookup(Array("00001.dcm".utf8), in: leaf.ino).ino == image.ino)
    }

    @Test("Results follow new images at once, and say when there are more than are shown")
    func follow() throws {
        #expect(try names(in: "ct") == [])
        for seed: UInt64 in 1...2 {
            try archive(study(seed))
            #expect(try names(in: "ct").count == Int(seed))
        }
        try archive(study(3))
        let listed = try names(lookup("ct").ino)
        #expect(
            listed.count == 3
                && listed.filter { $0.type == UInt32(DT_REG) }.map(\.name) == [SearchTexts.moreName]
        )
        let note = try lookup("ct", SearchTexts.moreName)
        #expect(try text(note.ino).utf8.count == note.attr.st_size)
        #expect(try text(note.ino).contains("2 newest"))
    }

    @Test("Studies of one name get a suffix, but for the earliest")
    func sameNames() throws {
        func key(_ number: Int) -> NamedRow {
            NamedRow(
                id: Int64(number), key: ["", "1.2.3", "2.25.77", "3.4.5.6"][number],
                attributes: AttributeSet())
        }
        let names = RowNames([key(3), key(2), key(1)], name: { _ in "Rex" })
        #expect(names.entries.map(\.id) == [3, 2, 1])
        #expect(names.entries[2].name == "Rex")
        #expect(
            names.entries[..<2].allSatisfy { $0.name.wholeMatch(of: /Rex ~[0-9a-f]{4}/) != nil })
        #expect(names.find("REX")?.id == 1)
        #expect(names.entries.allSatisfy { names.find($0.name)?.id == $0.id })
        // Whoever else is there: the same study has the same suffix.
        #expect(
            RowNames([key(1), key(3)], name: { _ in "Rex" }).find(names.entries[0].name)?.id == 3)
    }

    @Test(
        "Words that mean nothing show one file, which says why",
        arguments: ["colour=red", "date=soon", "2024-02-31", "-", "=", "=x"])
    func badQuery(_ words: String) throws {
        try archive(study(1))
        let listed = try names(lookup(words).ino)
        #expect(listed.map(\.name) == [SearchTexts.whyName])
        let note = try lookup(words, SearchTexts.whyName)
        #expect(note.attr.st_mode == S_IFREG | 0o444)
        #expect(try text(note.ino).utf8.count == note.attr.st_size)
        #expect(try text(note.ino).contains("id=1234"))
        #expect(throws: Errno(EROFS)) { try fileSystem.open(note.ino, flags: O_WRONLY) }
        #expect(throws: Errno(ENOENT)) { try lookup(words, "anything") }
        #expect(throws: Errno(EINVAL)) {
            try fileSystem.keepSearch(Array(words.utf8), in: FixedEntry.search.number, by: 0)
        }
    }

    @Test(
        "What programs look for by themselves is no search",
        arguments: [
            ".hidden", ".Trash-1000", "Thumbs.db", "desktop.ini", "Desktop.ini", "AUTORUN.INF",
            "._ct",
        ])
    func noSearch(_ name: String) throws {
        #expect(throws: Errno(ENOENT)) { try lookup(name) }
    }

    @Test("A search that is kept is listed until it is forgotten, in no matter what case")
    func keeping() throws {
        try archive(study(1))
        #expect(try names(FixedEntry.search.number).map(\.name) == [FixedEntry.searchHelp.name])
        let before = try lookup("ct")
        try keep("ct")
        try keep("us 2024")
        #expect(
            try names(FixedEntry.search.number).map(\.name) == [
                FixedEntry.searchHelp.name, "ct", "us 2024",
            ])
        // Whoever was in it stays there.
        #expect(try names(before.ino).count == 1)
        #expect(try names(in: "ct").count == 1)
        #expect(throws: Errno(EEXIST)) { try keep("ct") }
        #expect(throws: Errno(EEXIST)) { try keep("CT") }
        try forget("ct")
        #expect(throws: Errno(ENOENT)) { try forget("ct") }
        #expect(
            try names(FixedEntry.search.number).map(\.name) == [
                FixedEntry.searchHelp.name, "us 2024",
            ])
        try rename("us 2024", to: "us 2025")
        #expect(try archive.index.read { try $0.keptSearches() }.map(\.words) == ["us 2025"])
    }

    private func rename(_ name: String, to newName: String, mustBeNew: Bool = false) throws {
        let search = FixedEntry.search.number
        #expect(
            try fileSystem.renameSearch(
                Array(name.utf8), in: search, to: Array(newName.utf8), in: search,
                mustBeNew: mustBeNew))
    }

    @Test("Only what is kept and can be understood can be renamed, and only to the like")
    func renaming() throws {
        try keep("ct")
        try keep("us")
        #expect(throws: Errno(ENOTEMPTY)) { try rename("ct", to: "us") }
        #expect(throws: Errno(EINVAL)) { try rename("ct", to: "colour=red") }
        #expect(throws: Errno(ENOENT)) { try rename("dx", to: "mr") }
        let before = try lookup("ct")
        let since = try archive.index.read { try $0.keptSearch("ct") }?.since
        try rename("ct", to: "CT")
        try rename("CT", to: "ct 2024")
        // The kernel goes on with the folder that it knows, and so does whoever is in it.
        let after = try lookup("ct 2024")
        #expect(after.ino == before.ino && after.attr.st_ino == before.attr.st_ino)
        #expect(try archive.index.read { try $0.keptSearch("ct 2024") }?.since == since)
        #expect(try archive.index.read { try $0.keptSearches() }.map(\.words) == ["ct 2024", "us"])
        let incoming = FixedEntry.incoming.number
        let search = FixedEntry.search.number
        for (from, to) in [(search, incoming), (incoming, search)] {
            #expect(throws: Errno(EXDEV)) {
                try fileSystem.renameSearch(
                    Array("us".utf8), in: from, to: Array("x".utf8), in: to, mustBeNew: false)
            }
        }
        #expect(
            try !fileSystem.renameSearch(
                Array("a".utf8), in: incoming, to: Array("b".utf8), in: incoming, mustBeNew: false))
    }

    @Test("Nobody keeps more searches than are left for others; what goes can be kept anew")
    func share() throws {
        let most = FileSystem.mostSearches
        for first in stride(from: 0, to: most - 8, by: 248) {
            try archive.changeSearches((first..<first + 248).map { .keep("word\($0)") })
        }
        func keep(_ words: String, by user: uid_t) throws {
            _ = try fileSystem.keepSearch(
                Array(words.utf8), in: FixedEntry.search.number, by: user)
        }
        for number in 1...4 { try keep("first\(number)", by: 1001) }
        #expect(throws: Errno(EDQUOT)) { try keep("first5", by: 1001) }
        for number in 1...2 { try keep("second\(number)", by: 1002) }
        #expect(throws: Errno(EDQUOT)) { try keep("second3", by: 1002) }
        // A new name is no new search; one that goes makes room, whoever removes it.
        try rename("first1", to: "other1")
        #expect(throws: Errno(EDQUOT)) { try keep("first5", by: 1001) }
        try forget("second1")
        try forget("second2")
        try forget("other1")
        try keep("first5", by: 1001)
        #expect(throws: Errno(EDQUOT)) { try keep("first6", by: 1001) }
        let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        #expect(status.refusals.map(\.resource) == [.keptSearches])
        #expect(status.refusals.first?.user == 1001 && status.refusals.first?.count == 4)
    }

    @Test("So many searches are kept, and no more")
    func tooMany() throws {
        for first in stride(from: 0, to: FileSystem.mostSearches, by: 250) {
            try archive.changeSearches((first..<first + 250).map { .keep("word\($0)") })
        }
        #expect(throws: Errno(ENOSPC)) { try keep("ct") }
        // A rename needs no room, and what goes makes some.
        try rename("word8", to: "mr")
        try forget("word7")
        try keep("ct")
    }

    @Test(
        "What no disk could hold as a name is not kept",
        arguments: [".hidden", "id=12*", "2024..", "how to search.txt", "a:b", "ct ", "con"])
    func notKept(_ words: String) throws {
        #expect(throws: Errno(EINVAL)) {
            try fileSystem.keepSearch(Array(words.utf8), in: FixedEntry.search.number, by: 0)
        }
    }

    @Test("Below the list of searches nothing can be made or taken away")
    func readOnly() throws {
        try archive(study(1))
        let folder = try lookup("ct").ino
        #expect(throws: Errno(EROFS)) {
            try fileSystem.keepSearch(Array("x".utf8), in: folder, by: 0)
        }
        #expect(throws: Errno(EROFS)) { try fileSystem.forgetSearch(Array("x".utf8), in: folder) }
        #expect(throws: Errno(EROFS)) { try fileSystem.writableTree(FixedEntry.search.number) }
        #expect(
            try fileSystem.keepSearch(Array("x".utf8), in: FixedEntry.incoming.number, by: 0) == nil
        )
        #expect(try !fileSystem.forgetSearch(Array("x".utf8), in: FixedEntry.incoming.number))
    }

    @Test("A search that is not kept is forgotten when the kernel forgets it, and not before")
    func forgetting() throws {
        let first = try lookup("ct")
        #expect(try lookup("ct").ino == first.ino)
        fileSystem.forget(first.ino, count: 1)
        #expect(try fileSystem.attributes(of: first.ino).st_ino == first.attr.st_ino)
        fileSystem.forget(first.ino, count: 1)
        #expect(throws: Errno(ESTALE)) { try fileSystem.attributes(of: first.ino) }
        #expect(try lookup("ct").ino != first.ino)
    }
}
