import Archive
import Foundation
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import Testing
import TestSupport

@Suite("Replaying the ledger")
struct ReplayTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    /// Everything that makes records: images of several series, further versions, a verified
    /// duplicate and a healed one, rejected files.
    private func fill() throws {
        var versions: [[UInt8]] = []
        for number in 0..<3 {
            var image = SyntheticImage(seed: 40)
            image.picture = .thorax(rows: 16, columns: 16, seed: UInt64(number))
            image.overrides = [
                SyntheticElement(0x0008_0081, "ST", "Version \(number) «\u{FEFF}\"\\ é »")
            ]
            versions.append(image.write())
        }
        var bare = SyntheticImage(seed: 41)
        bare.omitted = [0x0008_0018, 0x0020_000D, 0x0020_000E, 0x0020_0013, 0x0008_0020]
        var anonymous = SyntheticImage(seed: 42)
        anonymous.omitted = [0x0010_0010, 0x0010_0020, 0x0018_0015]
        let images =
            series(seed: 1) + series(seed: 2) + versions + [bare.write(), anonymous.write()]
        let ids = try temporary.archive(images)
        try temporary.index.execute(
            "UPDATE copy SET verified = 1 WHERE instance IN (\(ids[0]), \(ids[1]))")
        unlink(temporary.blob(.of(images[1]), on: 2))
        try temporary.open { archive in
            for image in images.prefix(2) {
                #expect(try archive.ingest(image, in: temporary.folder).duplicate != nil)
            }
            let files = try ["a", "b", "a"].map {
                ImportFile(
                    path: try temporary.folder.write(Array($0.utf8), to: "cd/\($0).txt"),
                    rejectedPath: $0)
            }
            #expect(archive.importFiles(files).allSatisfy { $0.outcome == .rejected })
        }
    }

    @Test("A rebuilt index equals the lost one, row for row")
    func madeAnew() throws {
        try fill()
        let before = try temporary.index.dump()
        #expect(before.contains("== instance (11)\n"))
        #expect(before.contains("== rejected (2)\n"))
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
    }

    @Test("Several threads that record at once do not take one another's records for lacking ones")
    func atOnce() throws {
        let images = series(seed: 3, images: 120)
        let folder = temporary.folder
        let junk = try (0..<240).map { number in
            ImportFile(
                path: try folder.write(Array("\(number)".utf8), to: "cd/\(number).txt"),
                rejectedPath: "\(number).txt")
        }
        try temporary.open { archive in
            let failures = Lock<[String]>([])
            _ = onAll(Array(0..<12)) { thread in
                if thread < 2 {
                    for image in images[(thread * 60)..<(thread * 60 + 60)] {
                        do {
                            if let error = try archive.ingest(image, in: folder).error {
                                failures.withLock { $0.append(error.description) }
                            }
                        } catch { failures.withLock { $0.append("\(error)") } }
                    }
                } else if thread > 5 {
                    for number in 0..<60 {
                        do { try archive.changeSearches([.keep("word\(thread) \(number)")]) } catch
                        { failures.withLock { $0.append("\(error)") } }
                    }
                } else {
                    for file in junk[((thread - 2) * 60)..<((thread - 2) * 60 + 60)] {
                        for result in archive.importFiles([file]) where result.outcome != .rejected
                        {
                            failures.withLock { $0.append(result.reason ?? "") }
                        }
                    }
                }
            }
            #expect(failures.withLock { $0 } == [])
        }
        let before = try temporary.index.dump()
        #expect(before.contains("== instance (120)\n") && before.contains("== rejected (240)\n"))
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
    }

    @Test("An index older than the ledger catches up to the same rows")
    func behind() throws {
        try temporary.archive(series(seed: 7))
        let old = try contents(of: temporary.path + "/index.sqlite")
        try fill()
        let before = try temporary.index.dump()
        temporary.removeIndex()
        try Data(old).write(to: URL(fileURLWithPath: temporary.path + "/index.sqlite"))
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
        #expect(temporary.log.messages(.notice).contains { $0.hasPrefix("Took ") })
    }

    @Test("An archive works on after its index was rebuilt, as if nothing had happened")
    func goesOn() throws {
        try fill()
        temporary.removeIndex()
        let more = series(seed: 1, images: 5).suffix(2) + series(seed: 9, images: 1)
        #expect(try temporary.archive(Array(more)) == [12, 13, 14])
        let before = try temporary.index.dump()
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
    }

    @Test(
        "A damaged index is put aside, named in the log, and rebuilt",
        arguments: ["garbage", "cut", "empty file", "old version"])
    func corrupt(how: String) throws {
        try fill()
        let before = try temporary.index.dump()
        let file = temporary.path + "/index.sqlite"
        switch how {
        case "garbage": try Data("no database at all".utf8).write(to: URL(fileURLWithPath: file))
        case "cut": truncate(file, Int(try contents(of: file).count / 2))
        case "empty file": truncate(file, 0)
        default: try temporary.index.execute("UPDATE meta SET value = '0' WHERE key = 'schema'")
        }
        let broken = try contents(of: file)
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
        guard how != "empty file" else { return }
        let aside = try files(below: temporary.path).filter { $0.contains(/\.corrupt-[-T:0-9]+$/) }
        #expect(
            try aside.map { try contents(of: temporary.path + "/" + $0) } == [broken], "\(aside)")
        let logged = temporary.log.messages(.error)
        #expect(
            logged.contains {
                $0.contains(temporary.path + "/index.sqlite") && $0.contains(/damaged|schema 0/)
            })
        #expect(logged.contains { $0.contains(aside[0]) && $0.contains("made anew") })
    }

    @Test(
        "An index that knows more than the present volumes is put aside; their images are shown"
    )
    func ahead() throws {
        let images = series(images: 4)
        try temporary.archive(Array(images.prefix(2)))
        let before = try temporary.index.dump()
        // Both volumes come back from a backup of then.
        for volume in temporary.volumes {
            try FileManager.default.copyItem(atPath: volume, toPath: volume + ".backup")
        }
        try temporary.archive(Array(images.suffix(2)))
        for volume in temporary.volumes {
            try FileManager.default.removeItem(atPath: volume)
            try FileManager.default.moveItem(atPath: volume + ".backup", toPath: volume)
        }
        try temporary.open { (archive) throws in
            #expect(try archive.index.read { try $0.totals().instances } == 2)
            #expect(
                temporary.log.messages(.error).contains { $0.contains("does not fit the ledger") })
        }
        #expect(try temporary.index.dump() == before)
        try temporary.archive(Array(images.suffix(2)))
        try temporary.expectBlobs(images)
    }

    @Test("Records that one volume lacks are topped up from the other", arguments: 1...2)
    func shorterLedger(volume: Int) throws {
        try fill()
        let before = try temporary.index.dump()
        let file = try temporary.ledgerFile(on: volume)
        let whole = try contents(of: file)
        let lines = whole.split(separator: UInt8(ascii: "\n"))
        let kept = lines.prefix(lines.count - 4).reduce(0) { $0 + $1.count + 1 }
        truncate(file, kept + 10)
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try contents(of: file) == whole)
        #expect(try temporary.index.dump() == before)
    }

    @Test("The unfinished end of a ledger is cut off and reported")
    func tornEnd() throws {
        let images = series()
        try temporary.archive(images)
        let file = try temporary.ledgerFile(on: 1)
        let whole = try contents(of: file)
        try Data(whole + Array("{\"n\":99,\"prev\":\"".utf8)).write(to: URL(fileURLWithPath: file))
        try temporary.open { _ in }
        #expect(try contents(of: file) == whole)
        #expect(temporary.log.messages(.notice).contains { $0.contains("unfinished") })
        try temporary.expectBlobs(images)
    }

    @Test("The same views in another order are not a change")
    func reorderedViews() throws {
        try temporary.open { _ in }
        try temporary.open { _ in }
        #expect(temporary.log.messages(.warning) == [])
    }

    @Test("The configuration at creation applies from the first image on")
    func ownViews() throws {
        try temporary.configure { text in
            text.prefix { $0 != "\u{0}" }.components(separatedBy: "[views]")[0]
                + "[views]\nall = \"{PatientID}\"\n"
        }
        try temporary.open { archive in
            let id = try #require(
                try archive.ingest(series(images: 1)[0], in: temporary.folder).archived)
            let paths = try archive.index.read { try $0.details(id)?.paths } ?? []
            #expect(paths.map(\.count) == [3])
            #expect(paths.first?.first == "all")
        }
    }
}
