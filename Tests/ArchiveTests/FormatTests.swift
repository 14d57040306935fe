import DICOM
import Foundation
import JSON
import Naming
import Offsite
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// `Tests/Fixtures/volume-v1`, a volume of format 1 with every kind of record, and next to it
/// `volume-v1.txt`, all that an archive shows of it.
///
/// Until format 1 is frozen, a change of the format makes both anew, on purpose:
///
///     PACSFS_MAKE_FIXTURE=1 Scripts/test --filter FormatTests
///
/// The new files are committed with the change, and README, "Format 1", says what changed.
@Suite("A volume of format 1", .serialized) struct FormatTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../..").standardizedFileURL
    private static let volume = repository.appending(path: "Tests/Fixtures/volume-v1").path
    private static let listing = volume + ".txt"

    private static let isMade = ProcessInfo.processInfo.environment["PACSFS_MAKE_FIXTURE"] != nil

    private let folder: TemporaryFolder
    private let log = LogLines()

    init() throws { folder = try TemporaryFolder() }

    /// A copy of the fixture, with what git does not keep: modes and empty folders.
    private func copy() throws -> String {
        let copy = folder.path("volume")
        let manager = FileManager.default
        try manager.copyItem(atPath: Self.volume, toPath: copy)
        try manager.createDirectory(
            atPath: copy + "/staging", withIntermediateDirectories: false)
        for name in ["blobs", "ledger", "staging", "rejected"] {
            try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: copy + "/" + name)
        }
        for name in try files(below: copy + "/blobs") {
            try manager.setAttributes(
                [.posixPermissions: 0o444], ofItemAtPath: copy + "/blobs/" + name)
        }
        return copy
    }

    /// Everything that an archive shows, a fact a line: paths, inode numbers, times, attributes,
    /// digests, kept searches, members.
    private func listing(of archive: Archive) throws -> String {
        var lines: [String] = []
        var images: Set<Int64> = []
        func add(_ reader: IndexReader, _ parent: Int64, _ path: String) throws {
            var nodes: [Node] = []
            try reader.nodes(in: parent, after: 0) {
                nodes.append($0)
                return true
            }
            for node in nodes.sorted(by: { $0.name < $1.name }) {
                let path = path + node.name
                let inode = InodeNumber.node(node.id).rawValue
                lines.append("directory \(inode) \(Timestamp(nanoseconds: node.changed)) \(path)/")
                guard let series = node.series else {
                    try add(reader, node.id, path + "/")
                    continue
                }
                try reader.images(inSeries: series, byUID: node.byUID, after: 0) { image in
                    let inode = InodeNumber.instance(image.id).rawValue
                    let time = Timestamp(nanoseconds: image.received)
                    lines.append("file \(inode) \(image.bytes) \(time) \(path)/\(image.name)")
                    images.insert(image.id)
                    return true
                }
            }
        }
        try archive.index.read { reader in
            for view in try reader.views() { lines.append("view \(view.name) \(view.template)") }
            try add(reader, 0, "")
            for id in images.sorted() {
                guard let facts = try reader.facts(id) else { continue }
                let digest = Digest(bytes: facts.sha256)?.hex ?? ""
                let verified = facts.verified.map { "\(Timestamp(nanoseconds: $0))" } ?? "never"
                lines.append(
                    """
                    image \(InodeNumber.instance(id).rawValue) \(digest) from \(facts.source), \
                    \(facts.copies) copies, verified \(verified), \(facts.attributes.json)
                    """
                )
            }
            for search in try reader.keptSearches() {
                lines.append(
                    "search \(search.id) \(Timestamp(nanoseconds: search.since)) \(search.words)")
            }
            for volume in try reader.volumes() {
                lines.append(
                    """
                    volume \(volume.ordinal) \(volume.id) \(volume.domain) \(volume.state) \
                    \(volume.errors)
                    """
                )
            }
            for drill in try reader.drills() {
                lines.append(
                    "drill \(drill.source) \(Timestamp(nanoseconds: drill.time)) "
                        + "\(drill.restored) restored, \(drill.faults) faults")
            }
            for remote in try reader.remotes() {
                lines.append("remote \(remote.name) \(remote.uuid) \(remote.images) images")
                try reader.objects(onRemote: remote.id) { object in
                    lines.append(
                        """
                        object \(object.name) \(object.serverName ?? "-") \(object.bytes) \
                        \(object.hash ?? "-") \(object.fault ?? "good")
                        """
                    )
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test("is verified: its identity, its chain, its blobs", .disabled(if: isMade))
    func verified() throws {
        let copy = try copy()
        let verification = try Verification(archive: folder.path("none"), volumes: [copy])
        let report = try #require(try verification.run())
        // The archive's directory is not there, and nothing else is missing. The text of README.txt
        // is not part of the format.
        let files = report.findings.compactMap(\.file).filter { !$0.hasSuffix("/README.txt") }
        #expect(files == [folder.path("none/index.sqlite")], "\(report.findings)")
        #expect(report.volumes.map(\.goodBlobs) == [7])
    }

    @Test("has every kind of record, and is small", .disabled(if: isMade)) func complete() throws {
        let volume = try Volume.open(at: copy(), archive: nil)
        #expect(volume.identity.format == 1)
        var chain = try LedgerChain(
            volume: volume, site: Ledger.site(archive: volume.identity.archive))
        var kinds: Set<String> = []
        var operations: Set<String> = []
        while let record = try chain.next() {
            kinds.insert(record.entry.kind)
            if let operation = record.entry.body["op"]?.string { operations.insert(operation) }
            // What is read is written again as the same bytes.
            let entry = try LedgerEvent(record).entry(
                by: record.entry.by, at: record.entry.time)
            #expect(entry == record.entry)
        }
        #expect(kinds == LedgerEvent.kinds)
        #expect(
            operations == [
                "add", "retire", "retired", "replace", "failing", "well", "keep", "rename",
                "forget", "remove",
            ])
        let bytes = try files(below: Self.volume).reduce(0) {
            $0 + (try contents(of: Self.volume + "/" + $1)).count
        }
        #expect((20_000...100_000).contains(bytes), "\(bytes) bytes")
    }

    @Test(
        "brings its archive back, with the same paths, inode numbers, attributes and bytes",
        .disabled(if: isMade))
    func restored() throws {
        let copy = try copy()
        let before = try contents(of: copy + "/" + ledgerName(of: copy))
        let path = folder.path("archive")
        let summary = try Archive.create(
            at: path, from: copy, others: [], copies: 1, log: log.logger
        ) { _ in }
        #expect(summary.images == 7 && summary.offlineOnly == 0)
        let expected = try String(contentsOfFile: Self.listing, encoding: .utf8)
        for isNew in [false, true] {
            if isNew {
                for suffix in ["", "-wal", "-shm"] { unlink(path + "/index.sqlite" + suffix) }
            }
            let archive = try Archive(at: path, log: log.logger)
            defer { archive.close() }
            let found = try listing(of: archive)
            #expect(found == expected)
            // Every image is read, and is what it was.
            for id in 1...7 as ClosedRange<Int64> {
                let (descriptor, version, _) = try archive.openBlob(of: id)
                defer { close(descriptor) }
                let digest = try Digest.of(
                    descriptor: descriptor, bytes: version.stamp.bytes, path: "image \(id)")
                #expect(digest == version.digest)
            }
        }
        #expect(try contents(of: copy + "/" + ledgerName(of: copy)) == before)
    }

    private func ledgerName(of volume: String) throws -> String {
        try #require(
            files(below: volume).first { $0.hasPrefix("ledger/") })
    }

    @Test(
        "is read by a program that knows README's chapter only, and sees the same paths and bytes",
        .disabled(if: isMade))
    func otherReader() throws {
        let run = try ProgramRun([
            "python3", Self.repository.appending(path: "Scripts/read-volume").path,
            try copy(),
        ])
        #expect(run.succeeded, "\(run.report)")
        let expected = try String(contentsOfFile: Self.listing, encoding: .utf8)
        var digests: [Substring: Substring] = [:]
        for line in expected.split(separator: "\n") where line.hasPrefix("image ") {
            let words = line.split(separator: " ")
            digests[words[1]] = words[2]
        }
        let shown = expected.split(separator: "\n").filter { $0.hasPrefix("file ") }.map { line in
            let words = line.split(separator: " ", maxSplits: 4)
            return "\(digests[words[1]] ?? "")  \(words[4])"
        }
        #expect(shown.count > 20)
        #expect(run.output.split(separator: "\n").map(String.init).sorted() == shown.sorted())
    }

    // MARK: Making it

    /// Images of a few hundred bytes of pixels: two of a series, a further version, one that is
    /// the same but for its header, one without UIDs, one with hostile text, one that comes late.
    private var images: [[UInt8]] {
        func image(_ seed: UInt64, _ change: (inout SyntheticImage) -> Void = { _ in }) -> [UInt8] {
            var image = SyntheticImage(seed: seed)
            image.picture = .thorax(rows: 8, columns: 8, seed: seed)
            change(&image)
            return image.write()
        }
        let first = image(1)
        let second = image(1) {
            $0.sopInstanceUID += ".2"
            $0.number = 2
        }
        let version = image(1) { $0.picture = .thorax(rows: 8, columns: 8, seed: 99) }
        var header = first
        header[100] = 1
        let bare = image(2) {
            $0.omitted = [0x0008_0018, 0x0020_000D, 0x0020_000E, 0x0020_0013, 0x0008_0020]
        }
        let text = image(3) { $0.patient.name = "Müller^山田 \"\\\u{FEFF}" }
        return [first, second, version, header, bare, text, image(4)]
    }

    /// Two remotes, of which one is removed; a pack, a single blob that is gone, a piece of the
    /// ledger.
    private func offsite(_ one: Digest, _ two: Digest) -> [LedgerEvent] {
        let (pack, segment) = (OffsiteLayout.pack(one), OffsiteLayout.segment(1, site: "6f1d9c1e"))
        var packed = OffsiteEvent(pack, bytes: 8192, on: "b2")
        packed.serverName = "ip5k1q2v0r2m/8h4s"
        packed.hash = "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"
        packed.lockedUntil = Timestamp("2036-11-22T00:00:00.000000000Z")
        packed.packed = [.init(digest: one, offset: 1536), .init(digest: two, offset: 4096)]
        var piece = OffsiteEvent(segment, bytes: 4711, on: "nas")
        piece.through = 12
        var check = OffsiteCheckEvent("b2", objects: 2, good: 1)
        check.faults = [.init(object: OffsiteLayout.blob(two), fault: .missing)]
        return [
            .remote(.add("b2", id: "4c3a9d0e", cipher: .rclone, hash: "sha1")),
            .remote(.add("nas", id: "7a9f4a86", cipher: nil, hash: nil)),
            .offsite(packed), .offsite(OffsiteEvent(OffsiteLayout.blob(two), bytes: 900, on: "b2")),
            .offsite(piece), .offsiteCheck(check),
            .offsiteProof(OffsiteProofEvent("b2", objects: [pack])),
            .wipeTest(WipeTestEvent("b2", overwrite: .hidden, delete: .refused, shorten: nil)),
            .drill(
                DrillEvent(
                    of: .remote("b2"), images: 2, listed: 2, seen: 1, restored: 1, decoded: 1,
                    faults: 1, report: one)),
            .drill(
                DrillEvent(
                    of: .volume(1), images: 7, listed: 7, seen: 0, restored: 7, decoded: 6,
                    faults: 0, report: two)),
            .remote(.forget("nas")), .remote(.remove("nas")),
        ]
    }

    @Test("is made anew", .enabled(if: isMade, "set PACSFS_MAKE_FIXTURE=1 to make it anew"))
    func make() throws {
        let path = folder.path("archive")
        let places = [("volume1", "server-room"), ("volume2", "cellar")].map {
            Settings.VolumePlace(path: folder.path($0.0), domain: $0.1)
        }
        try Archive.create(at: path, volumes: places, copies: 2)
        let images = images
        let archive = try Archive(at: path, log: log.logger)
        defer { archive.close() }
        for (index, image) in images.dropLast().enumerated() {
            _ = try archive.ingest(image, from: "/cd/IM\(index + 1)", in: folder).get()
        }
        let digest = Digest.of(images[0])
        try archive.catalogue.record([
            .duplicate(DuplicateEvent(digest, from: "/cd/IM1", healed: [], verified: [1, 2])),
            .damage(digest, on: 2, .altered), .copies([digest], on: 2),
            .duplicate(
                DuplicateEvent(Digest.of(images[1]), from: "/cd/IM2", healed: [2], verified: [1])),
            .scrub(
                on: 1, folder: digest.bytes[0], files: 1, bytes: Int64(images[0].count), bad: 0),
            .failing(2), .well(2),
        ])
        let text = try folder.write(Array("notes".utf8), to: "cd/notes.txt")
        let rejected = archive.importFiles([ImportFile(path: text, rejectedPath: "cd/notes.txt")])
        #expect(rejected.map(\.outcome) == [.rejected])
        try archive.changeSearches([
            .keep("rex smith"), .keep("modality=CT"), .rename("rex smith", to: "smith"),
            .forget("modality=CT"),
        ])
        let file = path + "/pacsfs.toml"
        let settings = try String(contentsOfFile: file, encoding: .utf8)
        try settings.replacing("[views]\n", with: "[views]\nby-kind = \"{Modality}/{Series}\"\n")
            .write(toFile: file, atomically: true, encoding: .utf8)
        _ = try archive.reload()
        try archive.makeViews()
        _ = try archive.ingest(images[6], from: "/cd/late", in: folder).get()
        // Two volumes that come and go, so that what is left is on the first.
        let third = VolumeIdentity(archive: archive.id, ordinal: 3, domain: "attic")
        try archive.catalogue.record([
            .addVolume(third), .replace(2, by: 3), .copies([digest], on: 3), .retire(3),
            .retired(3),
        ])
        try archive.catalogue.record(offsite(digest, Digest.of(images[1])))
        try? FileManager.default.removeItem(atPath: Self.volume)
        try FileManager.default.copyItem(atPath: places[0].path, toPath: Self.volume)
        try FileManager.default.removeItem(atPath: Self.volume + "/staging")
        try listing(of: archive).write(
            toFile: Self.listing, atomically: true, encoding: .utf8)
    }
}
