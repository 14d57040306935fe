import TestSupport
@testable import Archive
import Foundation
import JSON
import Offsite
import Storage
import SyntheticStudy
import TagIndex
import TemporaryArchive
import Testing

@Suite("Rebuilding the index")
struct RebuildTests {
    /// The index as it is, and as a rebuild makes it.
    private func expectEqual(
        _ temporary: TemporaryArchive, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try temporary.index.dump()
        let summary = try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        let after = try temporary.index.dump()
        #expect(after == before, sourceLocation: sourceLocation)
        #expect(
            summary.images == (try temporary.index.number("SELECT instances FROM totals")),
            sourceLocation: sourceLocation)
    }

    /// Images whose names clash: few patients and series, so that most things happen twice.
    private func image(_ random: inout SeededRandom) -> [UInt8] {
        var image = SyntheticImage(seed: random.next() % 6)
        image.overrides = [
            SyntheticElement(
                0x0010_0010, "PN", ["Smith^Rex", "smith^rex", "Jones^Ivy"][random.below(3)]),
            SyntheticElement(0x0020_000E, "UI", "1.2.826.0.1.\(random.below(4))"),
            SyntheticElement(0x0020_0013, "IS", "\(random.below(3))"),
        ]
        if random.below(4) == 0 { image.omitted = [0x0008_0018, 0x0020_000D] }
        image.picture = .thorax(rows: 8, columns: 8, seed: random.next() % 5)
        return image.write()
    }

    /// One thing that may happen to an archive.
    private func happen(
        to archive: Archive, _ temporary: TemporaryArchive, _ random: inout SeededRandom
    ) throws {
        let known = try archive.index.read { try $0.totals().instances }
        switch random.below(13) {
        case 0..<5:
            _ = try archive.ingest(
                image(&random), from: "/data/\(random.below(9)).dcm", in: temporary.folder
            ).get()
        case 5:
            let path = try temporary.folder.write(
                "\(random.below(5))".utf8, to: "cd/\(random.below(3)).txt")
            _ = archive.importFiles([ImportFile(path: path, rejectedPath: "x.txt")])
        case 6 where known > 0:
            // A copy that goes bad, found by the next duplicate or by nobody.
            let id = Int64(random.below(Int(known))) + 1
            guard let copies = try archive.index.read({ try $0.copies(of: id) }),
                let digest = Digest(bytes: copies.sha256)
            else { return }
            try archive.catalogue.record([.damage(digest, on: random.below(2) + 1, .altered)])
        case 7 where known > 0:
            let ids = (0..<3).map { _ in Int64(random.below(Int(known))) + 1 }
            let digests = try archive.index.read { reader in
                try ids.compactMap {
                    try reader.copies(of: $0).flatMap { Digest(bytes: $0.sha256) }
                }
            }
            try archive.catalogue.record([.copies(digests, on: random.below(2) + 1)])
        case 8:
            try archive.catalogue.record([
                .scrub(
                    on: random.below(2) + 1, folder: UInt8(random.below(256)), files: 3, bytes: 9,
                    bad: Int64(random.below(2)))
            ])
        case 9:
            try archive.catalogue.record([
                [.failing(1), .well(1), .well(2), .failing(2)][random.below(4)]
            ])
        case 10...12:
            try archive.catalogue.record(try offsiteEvents(archive, Int(known), &random))
        default: break
        }
    }

    /// What may happen to two remotes, in any order.
    private func offsiteEvents(
        _ archive: Archive, _ known: Int, _ random: inout SeededRandom
    ) throws -> [LedgerEvent] {
        let remote = ["b2", "nas"][random.below(2)]
        func name(_ number: Int) -> String { "packs/ab/\(number).tar" }
        var objects = (0..<3).map { _ in name(random.below(4)) }
        let digests = try archive.index.read { reader in
            try (0..<random.below(4)).compactMap { _ -> Digest? in
                if known == 0 { return Digest.zero }
                let copies = try reader.copies(of: Int64(random.below(known)) + 1)
                return copies.flatMap { Digest(bytes: $0.sha256) }
            }
        }
        switch random.below(10) {
        case 0:
            let op = random.below(4)
            return [
                op == 0
                    ? .remote(.remove(remote))
                    : op == 1
                        ? .remote(.forget(remote))
                        : .remote(.add(remote, id: "\(random.below(9))", cipher: nil, hash: "md5"))
            ]
        case 1...5:
            var event = OffsiteEvent(objects[0], bytes: 4096, on: remote)
            event.packed = digests.enumerated().map {
                .init(digest: $0.element, offset: Int64($0.offset))
            }
            if random.below(4) == 0, let digest = digests.first {
                event = OffsiteEvent(OffsiteLayout.blob(digest), bytes: 99, on: remote)
                objects.append(event.object)
            }
            return [.offsite(event)]
        case 6:
            var event = OffsiteCheckEvent(remote, objects: 4, good: 3)
            if random.below(2) == 0 {
                event.faults = objects.map { .init(object: $0, fault: .missing) }
            }
            event.part = Int64(random.below(3))
            return [.offsiteCheck(event)]
        case 7:
            return [
                .offsiteProof(
                    OffsiteProofEvent(
                        remote, objects: [objects[0]],
                        faults: [.init(object: objects[1], fault: .corrupt)]))
            ]
        case 8:
            return [
                .drill(
                    DrillEvent(
                        of: random.below(2) == 0 ? .remote(remote) : .volume(1), images: 9,
                        listed: 9, seen: 3, restored: Int64(random.below(9)), decoded: 0,
                        faults: Int64(random.below(2)), report: .zero))
            ]
        default:
            return [
                .wipeTest(
                    WipeTestEvent(remote, overwrite: .hidden, delete: .done, shorten: nil))
            ]
        }
    }

    /// The sums of what is off-site are those of the rows.
    private func expectSums(_ temporary: TemporaryArchive) throws {
        let wrong = try temporary.index.number(
            """
            SELECT count(*) FROM remote WHERE (images, bytes) <> (
              SELECT count(*), coalesce(sum(instance.bytes), 0) FROM offsite
              JOIN instance ON instance.id = offsite.instance
              JOIN object ON object.id = offsite.object
              WHERE offsite.remote = remote.id AND fault IS NULL)
            """)
        #expect(wrong == 0)
    }

    @Test(
        "Whatever happened to an archive, a rebuild gives the same rows", arguments: UInt64(1)...12)
    func histories(seed: UInt64) throws {
        let temporary = try TemporaryArchive()
        var random = SeededRandom(seed: seed, 0x7265_6275)
        for _ in 0..<3 {
            try temporary.open { archive in
                for _ in 0..<35 { try happen(to: archive, temporary, &random) }
            }
            try expectEqual(temporary)
            try expectSums(temporary)
        }
        try temporary.open { try $0.catalogue.record([.retired(2)]) }
        try expectEqual(temporary)
    }

    @Test("An image that was recorded twice after an error is there once, under its first number")
    func recordedTwice() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(seed: 1, images: 2))
        let records = try temporary.ledger()
        let volumes = try [1, 2].map { try temporary.volume($0) }
        let (ledger, _) = try Ledger.open(on: volumes, archive: volumes[0].identity.archive)
        _ = try ledger.append(
            records.filter { ["series", "ingest"].contains($0.entry.kind) }.map(\.entry))
        // The same, one record after the other.
        try temporary.archive(series(seed: 2, images: 2))
        #expect(try temporary.index.number("SELECT count(*) FROM instance") == 4)
        try expectEqual(temporary)
    }

    @Test("A ledger with two series at one path is reported as such, and the index stays")
    func contradiction() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 1))
        let before = try temporary.index.dump()
        var entry = try #require(try temporary.ledger().first { $0.entry.kind == "series" }).entry
        entry.body = JSONObject(
            entry.body.members.map { member in
                switch member.key {
                case "id": .init("id", 77)
                case "a": .init("a", ["PatientID": "another"])
                default: member
                }
            })
        let volumes = try [1, 2].map { try temporary.volume($0) }
        let (ledger, _) = try Ledger.open(on: volumes, archive: volumes[0].identity.archive)
        _ = try ledger.append([entry])
        let error = #expect(throws: ArchiveError.self) {
            try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        }
        #expect(error?.description.contains("pacsfs verify") == true)
        #expect(try temporary.index.dump() == before)
    }

    @Test("Rebuilding is refused while a process has the archive, with what to do")
    func refused() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 1))
        try temporary.open { _ in
            let error = #expect(throws: ArchiveError.self) {
                try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
            }
            #expect(error?.code == .locked)
            #expect(error?.description.contains("pacsfs unmount") == true)
        }
    }

    @Test("A ledger that does not fit together on one volume is passed over for the other's")
    func damagedLedger() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 3))
        let before = try temporary.index.dump()
        let file = try temporary.ledgerFile(on: 1)
        var bytes = try contents(of: file)
        let place = try #require(bytes.firstIndex(of: UInt8(ascii: "\n"))) - 3
        bytes[place] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        temporary.removeIndex()
        _ = try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        #expect(try temporary.index.dump() == before)
    }

    @Test(
        """
        An index with damage deep inside is put aside at the next start, and the reader gets an \
        error
        """
    )
    func damagedPage() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 40))
        let before = try temporary.index.dump()
        let file = temporary.path + "/index.sqlite"
        // The page that holds the rows of images.
        let page = try #require(
            try temporary.index.number("SELECT rootpage FROM sqlite_master WHERE name = 'instance'")
        )
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
        try handle.seek(toOffset: UInt64(page - 1) * 4096)
        try handle.write(contentsOf: Data(repeating: 0xA5, count: 4096))
        try handle.close()
        try temporary.open { (archive) throws in
            let error = #expect(throws: IndexError.self) {
                try archive.index.read { try $0.image(17) }
            }
            #expect(error?.code == .corrupt)
            #expect(error?.description.contains("mount it again") == true)
        }
        try temporary.open { (archive) throws in
            let image = try archive.index.read { try $0.image(17) }
            #expect(image?.id == 17)
            #expect(archive.indexRebuilt?.reason.contains("damaged") == true)
        }
        #expect(try temporary.index.dump() == before)
        #expect(try files(below: temporary.path).contains { $0.contains(".corrupt-") })
        // Once is enough.
        let note = try temporary.open { $0.indexRebuilt }
        #expect(try temporary.open { $0.indexRebuilt } == note)
    }

    @Test("A small index is looked through after a run that did not end well")
    func unclean() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 40))
        let before = try temporary.index.dump()
        let page = try #require(
            try temporary.index.number("SELECT rootpage FROM sqlite_master WHERE name = 'copy'"))
        let handle = try FileHandle(
            forUpdating: URL(fileURLWithPath: temporary.path + "/index.sqlite"))
        try handle.seek(toOffset: UInt64(page - 1) * 4096)
        try handle.write(contentsOf: Data(repeating: 0xA5, count: 4096))
        try handle.close()
        try Data([0]).write(to: URL(fileURLWithPath: temporary.path + "/index.sqlite-wal"))
        try temporary.open { archive in #expect(archive.indexRebuilt != nil) }
        #expect(try temporary.index.dump() == before)
    }

    @Test("An interrupted rebuild leaves the index as it was")
    func interrupted() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(images: 3))
        let before = try temporary.index.dump()
        for number in 1...2 {
            let file = try temporary.ledgerFile(on: number)
            var bytes = try contents(of: file)
            bytes[bytes.count / 2] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: file))
        }
        #expect(throws: ArchiveError.self) {
            try Archive.rebuild(at: temporary.path, log: temporary.log.logger) { _ in }
        }
        #expect(try temporary.index.dump() == before)
        #expect(try !files(below: temporary.path).contains { $0.contains(".corrupt-") })
    }
}
