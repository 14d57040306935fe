import Foundation
import Storage
import SyntheticStudy
import System
import TemporaryArchive
import Testing
import TestSupport

@testable import Archive

@Suite("Zip archives")
struct ZipTests {
    private let temporary: TemporaryArchive
    private let images = series(images: 3)

    init() throws { temporary = try TemporaryArchive() }

    private func image(_ index: Int) -> (String, [UInt8]) {
        ("CD/DICOM/IM\(index + 1)", images[index])
    }

    /// What was set aside, by its path without the day.
    private func aside() throws -> [String] {
        try files(below: temporary.volumes[0] + "/rejected").filter { !$0.hasSuffix(".reason.txt") }
            .map { $0.split(separator: "/").dropFirst().joined(separator: "/") }
    }

    /// Takes a zip archive in as one that lies in incoming.
    private func unpack(_ zip: [UInt8], in archive: Archive) throws -> Result<
        IngestOutcome, ArchiveError
    > {
        try archive.ingest(zip, from: "incoming/x.zip", in: temporary.folder)
    }

    @Test(
        """
        Its images are archived, the rest is set aside below its name, junk and a DICOMDIR go \
        quietly
        """
    )
    func unpacks() throws {
        var dicomdir = SyntheticImage(seed: 3)
        dicomdir.overrides = [SyntheticElement(0x0008_0016, "UI", "1.2.840.10008.1.3.10")]
        let zip = ZipWriter.zip([
            ("CD/", []), image(0), ("CD/viewer/autorun.inf", Array("[autorun]".utf8)),
            ("CD/DICOMDIR", dicomdir.write()),
            ("CD/Thumbs.db", [1]), image(1), ("__MACOSX/CD/._IM1", [2]),
            ("Röntgen/Bild ä.dcm", images[2]),
            ("inner.zip", ZipWriter.zip([image(0)])), ("CD/nothing.dcm", []),
        ])
        try temporary.open { archive in
            guard case .success(.unpacked(images: 3)) = try unpack(zip, in: archive) else {
                Issue.record("not unpacked")
                return
            }
            #expect(
                try aside() == [
                    "x.zip/CD/nothing.dcm", "x.zip/CD/viewer/autorun.inf", "x.zip/inner.zip",
                ])
            // Once more, as after a crash: nothing is set aside twice.
            guard case .success(.unpacked(images: 3)) = try unpack(zip, in: archive) else {
                Issue.record("not unpacked")
                return
            }
        }
        #expect(try aside().count == 3)
        try temporary.expectBlobs(images)
        let sources = try temporary.ledger().filter { $0.entry.kind == "ingest" }.compactMap {
            $0.entry.body["from"]?.string
        }
        #expect(
            sources == [
                "incoming/x.zip/CD/DICOM/IM1", "incoming/x.zip/CD/DICOM/IM2",
                "incoming/x.zip/Röntgen/Bild ä.dcm",
            ])
    }

    @Test("Members that are not images are rejected many at once, each with its reason, and once")
    func rejectsMany() throws {
        var members = (0..<1201).map { number in
            ("CD/\(number % 7)/\(number).txt", Array("junk \(number)".utf8))
        }
        // Other bytes under a name that is taken, and the same bytes once more.
        members += [("CD/0/0.txt", Array("other".utf8)), ("CD/0/0.txt", Array("other".utf8))]
        let zip = ZipWriter.zip([image(0)] + members)
        try temporary.open { archive in
            for _ in 1...2 {
                guard case .success(.unpacked(images: 1)) = try unpack(zip, in: archive) else {
                    Issue.record("not unpacked")
                    return
                }
            }
        }
        let names = try aside()
        #expect(names.count == 1202)
        #expect(names.contains { $0.hasPrefix("x.zip/CD/0/0 ~") })
        for volume in temporary.volumes {
            let folder = volume + "/rejected"
            let all = try files(below: folder)
            #expect(all.count == 2 * 1202)
            let path = try #require(all.first { $0.hasSuffix("CD/3/10.txt") })
            #expect(try contents(of: "\(folder)/\(path)") == Array("junk 10".utf8))
            #expect(try !contents(of: "\(folder)/\(path).reason.txt").isEmpty)
            #expect(try files(below: volume + "/staging") == [])
        }
        let rejects = try temporary.ledger().filter { $0.entry.kind == "reject" }
        #expect(rejects.count == 1202)
        #expect(Set(rejects.compactMap { $0.entry.body["path"]?.string }).count == 1202)
    }

    /// What is refused whole, before anything of it is unpacked.
    private static let refused: [(String, zip: @Sendable ([UInt8]) -> [UInt8], says: String)] = [
        (
            "a member outside", { ZipWriter.zip([("a.dcm", $0), ("x/../../b.dcm", $0)]) },
            "x/../../b.dcm leads out"
        ),
        (
            "one outside, as Windows writes it",
            { ZipWriter.zip([("a.dcm", $0), ("..\\b.dcm", $0)]) }, "leads out"
        ),
        (
            "an absolute path", { ZipWriter.zip([("a.dcm", $0), ("/etc/b.dcm", $0)]) },
            "/etc/b.dcm has an absolute path"
        ),
        ("a drive", { ZipWriter.zip([("a.dcm", $0), ("C:\\b.dcm", $0)]) }, "absolute path"),
        (
            "a password", { ZipWriter.zip([("a.dcm", $0)], password: "secret") },
            "a.dcm is encrypted"
        ),
        (
            "no image",
            { _ in ZipWriter.zip([("word/document.xml", Array("<w:document/>".utf8))]) },
            "without a DICOM image"
        ),
        ("nothing", { _ in ZipWriter.zip([]) }, "empty zip archive"),
        (
            "half of it", { Array(ZipWriter.zip([("a.dcm", $0), ("b.dcm", $0)]).dropLast(100)) },
            "damaged or incomplete"
        ),
        (
            "two joined to one",
            { ZipWriter.zip([("a.dcm", $0)]) + ZipWriter.zip([("b.dcm", $0)]) },
            "more than its list says"
        ),
        ("an image behind it", { ZipWriter.zip([("a.dcm", $0)]) + $0 }, "more than its list says"),
        (
            "half of another behind it",
            { ZipWriter.zip([("a.dcm", $0)]) + ZipWriter.zip([("b.dcm", $0)]).prefix(60) },
            "more than its list says"
        ),
        (
            "a member that the list passes over",
            { ZipWriter.zip([("a.dcm", $0), ("b.dcm", $0), ("c.dcm", $0)]).unlisting(1) },
            "more than its list says"
        ),
        (
            "a last member that the list passes over",
            { ZipWriter.zip([("a.dcm", $0), ("b.dcm", $0)]).unlisting(1) },
            "more than its list says"
        ),
        (
            "bytes before it", { [0x50, 0x4B, 3, 4] + ZipWriter.zip([("a.dcm", $0)]) },
            "more than its list says"
        ),
        (
            "members that share their bytes",
            { ZipWriter.zip([("a.dcm", $0), ("b.dcm", $0)]).overlapping() },
            "list of members makes no sense"
        ),
        (
            "a member that is not listed",
            { ZipWriter.zip([("a.dcm", $0), ("b.dcm", $0)]).with(1, 2, at: -12) },
            "more than its list says"
        ),
        (
            "too long a list", { ZipWriter.zip([("a.dcm", $0)]).with(70 << 20, 4, at: -10) },
            "more than 64 MiB"
        ),
        (
            "an absolute path before a combining mark",
            { ZipWriter.zip([("a.dcm", $0), ("/\u{301}b.dcm", $0)]) }, "absolute path"
        ),
        (
            "one outside, before a combining mark",
            { ZipWriter.zip([("a.dcm", $0), ("..\\\u{301}b.dcm", $0)]) }, "leads out"
        ),
        (
            "too long a path",
            {
                ZipWriter.zip([
                    (
                        String(repeating: "abcdefghi/", count: 50)
                            + String(repeating: "ä", count: 260), $0
                    )
                ])
            }, "more than 1000 bytes"
        ),
        (
            "too many folders",
            { ZipWriter.zip([(String(repeating: "a/", count: 51) + "b.dcm", $0)]) }, "50 folders"
        ),
        (
            "a bomb",
            { ZipWriter.zip([("a.dcm", $0), ("zeros", [UInt8](repeating: 0, count: 110 << 20))]) },
            "more than 200 times"
        ),
    ]

    @Test(
        "What is not to be trusted is refused whole, with a reason that says which member",
        arguments: refused.indices)
    func refuses(_ number: Int) throws {
        let (_, zip, says) = Self.refused[number]
        try temporary.open { archive in
            let reason = try #require(try unpack(zip(images[0]), in: archive).refusal)
            #expect(reason.contains(says), "\(reason)")
            #expect(try archive.index.read { try $0.totals().instances } == 0)
        }
        #expect(try aside().isEmpty)
        try temporary.expectBlobs([])
    }

    @Test(
        """
        One as large archives have it (zip64) is unpacked, and one with a comment, or with a few \
        bytes behind it
        """
    )
    func zip64() throws {
        let zip = ZipWriter.zip([image(0), image(1)])
        let (list, end): ([UInt8], [UInt8]) = (
            Array(zip.prefix(zip.count - 22)), Array(zip.suffix(22))
        )
        func number(_ value: Int, _ bytes: Int) -> [UInt8] {
            (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        func field(_ bytes: Int, at offset: Int) -> Int {
            end[offset..<offset + bytes].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let (size, offset) = (field(4, at: 12), field(4, at: 16))
        // APPNOTE.TXT 4.3.14 and 4.3.15: the record of zip64, and where it lies.
        var large =
            list + [0x50, 0x4B, 6, 6] + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 8)
        large += number(2, 8) + number(2, 8) + number(size, 8) + number(offset, 8)
        large += [0x50, 0x4B, 6, 7] + number(0, 4) + number(list.count, 8) + number(1, 4)
        large += end.prefix(8) + [UInt8](repeating: 0xFF, count: 12) + [0, 0]
        let commented: [UInt8] = Array(zip.prefix(zip.count - 2)) + [5, 0] + Array("Hello".utf8)
        try temporary.open { archive in
            for zip in [
                large, commented, zip + [10], commented + [UInt8](repeating: 0, count: 500),
            ] {
                guard case .success(.unpacked(images: 2)) = try unpack(zip, in: archive) else {
                    Issue.record("not unpacked")
                    return
                }
            }
        }
        try temporary.expectBlobs([images[0], images[1]])
    }

    @Test(
        "A damaged member is not archived; the zip archive is refused, and its good images are safe"
    )
    func damaged() throws {
        var zip = ZipWriter.zip([image(0), image(1), image(2)], stored: true)
        // In the pixels of the second.
        let start = try #require(
            zip.indices.first { zip[$0...].starts(with: images[1].prefix(400)) })
        zip[start + images[1].count - 20] ^= 0xFF
        try temporary.open { archive in
            let reason = try #require(try unpack(zip, in: archive).refusal)
            #expect(reason.contains("CD/DICOM/IM2"), "\(reason)")
            #expect(reason.contains("2 good images"), "\(reason)")
        }
        try temporary.expectBlobs([images[0], images[2]])
    }

    @Test("A DICOM file that begins like a zip archive is an image")
    func polyglot() throws {
        var image = images[0]
        image.replaceSubrange(0..<4, with: [0x50, 0x4B, 3, 4])
        try temporary.open { archive in
            let result = try archive.ingest(image, in: temporary.folder)
            #expect(result.archived == 1)
        }
    }

    @Test("An import of a zip archive tells of each member")
    func importing() throws {
        let zip = ZipWriter.zip([
            image(0), ("readme.txt", Array("Dear client".utf8)), ("Thumbs.db", [1]), image(1),
            ("again", images[0]), ("cut", images[2].dropLast(50)),
        ])
        let path = try temporary.folder.write(zip, to: "old.zip")
        let bad = try temporary.folder.write(ZipWriter.zip([("../a", images[2])]), to: "bad.zip")
        try temporary.open { archive in
            let results = archive.importFiles([
                ImportFile(path: path, rejectedPath: "old.zip"),
                ImportFile(path: bad, rejectedPath: "bad.zip"),
            ])
            let outcomes = Dictionary(results.map { ($0.path, $0.outcome) }) { first, _ in first }
            #expect(
                outcomes == [
                    "\(path)/CD/DICOM/IM1": .archived, "\(path)/readme.txt": .rejected,
                    "\(path)/Thumbs.db": .ignored,
                    "\(path)/CD/DICOM/IM2": .archived, "\(path)/again": .duplicate, bad: .rejected,
                    "\(path)/cut": .archived,
                ])
            #expect(results.count == 7)
            let cut = results.filter { $0.truncated != nil }
            #expect(
                cut.map(\.path) == ["\(path)/cut"]
                    && cut.first?.truncated?.contains("the pixels end after") == true)
        }
        #expect(try aside() == ["bad.zip", "old.zip/readme.txt"])
        #expect(try contents(of: path) == zip)
    }

    @Test(
        """
        A start does not wait for a zip archive that lies in incoming: it stays there, on the \
        volume that is shown
        """
    )
    func recovery() throws {
        let zip = ZipWriter.zip([image(0), image(1)])
        try temporary.folder.write(zip, to: "volume1/staging/incoming/whole.zip")
        try temporary.folder.write(
            zip.dropLast(zip.count / 2), to: "volume2/staging/incoming/CD/half.zip")
        try temporary.open { _ in }
        #expect(
            try files(below: temporary.volumes[0] + "/staging/incoming") == [
                "CD/half.zip", "whole.zip",
            ])
        #expect(try files(below: temporary.volumes[1] + "/staging/incoming").isEmpty)
        #expect(try contents(of: temporary.volumes[0] + "/staging/incoming/whole.zip") == zip)
        #expect(try aside().isEmpty)
    }

    @Test("Small ones pass large ones, and it is told how far each is")
    func lanes() throws {
        let zip = ZipWriter.zip([image(0), image(1)])
        let large = try temporary.folder.write(zip, to: "large.zip")
        // Three that claim to be large: one is unpacked at a time, and stops where it finds that
        // out.
        try temporary.open { archive in
            let isHeld = Monitor(true)
            let told = Lock<[String]>([])
            for number in 1...3 {
                let file = StagedFile(open(large, O_RDONLY))
                let request = IngestRequest(
                    file: IngestFile(file.descriptor, owner: file),
                    source: .file("large \(number)", rejectedPath: "x"),
                    bytes: file.bytes + 2 << 30, digest: nil)
                archive.intake.zips.submit(request, to: archive.intake) { _ in
                    isHeld.wait { $0 ? nil : () }
                    told.withLock { $0.append("large") }
                }
            }
            guard case .success(.unpacked(images: 2)) = try unpack(zip, in: archive) else {
                Issue.record("not unpacked")
                return
            }
            #expect(told.withLock { $0.isEmpty })
            #expect(eventually { archive.intake.zips.all.map(\.source) == ["large 2", "large 3"] })
            #expect(archive.intake.zips.all.allSatisfy { $0.progress == nil })
            isHeld.withLock(waking: .all) { $0 = false }
            #expect(eventually { told.withLock { $0.count } == 3 })
            #expect(archive.intake.zips.all.isEmpty)
        }
    }

    @Test(
        "Without room nothing is refused for good: it is an error, and works later",
        .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"))
    func noRoom() throws {
        var disk: SmallDisk?
        let temporary = try TemporaryArchive { folder in
            try FileManager.default.createDirectory(
                atPath: folder.path("volume2"), withIntermediateDirectories: false)
            disk = try SmallDisk(at: folder.path("volume2"), bytes: 34 << 20)
        }
        let mounted = try #require(disk)
        defer { mounted.unplug() }
        let images = (1...2).map { seed in
            var image = SyntheticImage(seed: UInt64(seed))
            image.minimumLength = 8 << 20
            return image.write()
        }
        let zip = ZipWriter.zip([("1", images[0]), ("2", images[1])], stored: true)
        try temporary.open { archive in
            let fill = try temporary.folder.write(
                [UInt8](repeating: 1, count: 14 << 20), to: "volume2/fill")
            let error = try #require(
                try archive.ingest(zip, from: "incoming/x.zip", in: temporary.folder).error)
            #expect(error.code == .noSpace)
            #expect(error.description.hasPrefix("incoming/x.zip was not unpacked."))
            unlink(fill)
            guard
                case .success(.unpacked(images: 2)) = try archive.ingest(
                    zip, from: "incoming/x.zip", in: temporary.folder)
            else {
                Issue.record("not unpacked")
                return
            }
        }
        try temporary.expectBlobs(images)
    }
}

extension [UInt8] {
    /// Where the records of its list begin.
    private var records: [Int] {
        indices.dropLast(3).filter { self[$0..<$0 + 4].elementsEqual([0x50, 0x4B, 1, 2]) }
    }

    /// A zip archive whose second member is said to lie where the first does.
    fileprivate func overlapping() -> [UInt8] { with(0, 4, at: records[1] + 42 - count) }

    /// A zip archive whose list does not have a member; its bytes are there.
    fileprivate func unlisting(_ member: Int) -> [UInt8] {
        let records = records
        let end = count - 22
        let next = member + 1 < records.count ? records[member + 1] : end
        let size = end - records[0] - (next - records[member])
        let shorter = Array(self[..<records[member]] + self[next...])
        return shorter.with(records.count - 1, 2, at: -14).with(records.count - 1, 2, at: -12).with(
            size, 4, at: -10)
    }

    /// With an integer of so many bytes in it, at an offset from the end.
    fileprivate func with(_ value: Int, _ bytes: Int, at offset: Int) -> [UInt8] {
        var copy = self
        for index in 0..<bytes {
            copy[count + offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
        }
        return copy
    }
}
