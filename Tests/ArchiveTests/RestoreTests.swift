import Foundation
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

@Suite("Restoring an archive to new volumes")
struct RestoreTests {
    private let temporary: TemporaryArchive
    private let images: [[UInt8]]
    /// Copies of both volumes, which are all that is left.
    private let sources: [String]
    private let before: [String]

    init() throws {
        temporary = try TemporaryArchive()
        images = series(seed: 1) + series(seed: 2)
        let letter = try temporary.folder.write(Array("a letter".utf8), to: "cd/letter.txt")
        try temporary.archive(images)
        try temporary.open { archive in
            _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "cd/letter.txt")])
            try archive.maintenance.resilver.run()
        }
        before = try Self.rows(temporary.index)
        sources = try temporary.volumes.map { volume in
            let copy = volume + ".survivor"
            try FileManager.default.copyItem(atPath: volume, toPath: copy)
            return copy
        }
        for gone in temporary.volumes + [temporary.path] {
            try FileManager.default.removeItem(atPath: gone)
        }
    }

    private var new: [String] { ["new1", "new2"].map { temporary.folder.path($0) } }
    private var path: String { temporary.folder.path("again") }

    /// What the index says, but for volumes and how far it has read the ledger.
    private static func rows(_ index: IndexFile) throws -> [String] {
        let volumes: Set = ["copy", "placement", "volume", "meta", "scrubbed"]
        return try index.dump().components(separatedBy: "== ").filter { table in
            !volumes.contains(String(table.prefix { $0 != " " }))
        }
    }

    private func request(from source: String) -> RestoreRequest {
        RestoreRequest(archive: path, from: .folder(source), volumes: new, copies: 2)
    }

    private func begin(_ request: RestoreRequest) throws {
        try Archive.beginRestore(request, log: temporary.log.logger) { _ in }
    }

    private func open<R>(_ body: (Archive) throws -> R) throws -> R {
        let archive = try Archive(at: path, log: temporary.log.logger)
        defer { archive.close() }
        return try body(archive)
    }

    private func restore(from source: String) throws -> RestoreReport {
        try begin(request(from: source))
        return try open { try $0.restore { _ in } }
    }

    private func blob(_ number: Int, in folder: String) -> String {
        blobPath(Digest.of(images[number]).hex, on: folder)
    }

    private func expectWhole() throws {
        #expect(try Self.rows(IndexFile(path + "/index.sqlite")) == before)
        for volume in new {
            for (number, image) in images.enumerated() {
                #expect(try contents(of: blob(number, in: volume)) == image)
            }
            let rejected = try files(below: volume + "/rejected")
            #expect(rejected.count == 2 && rejected.allSatisfy { $0.contains("cd/letter.txt") })
        }
        let verification = try Verification(
            archive: path, volumes: [], head: nil, options: .init(threads: 2), progress: { _ in })
        let report = try #require(try verification.run())
        #expect(report.faults == 0 && report.attentions == 0, "\(report.findings)")
    }

    @Test("From one volume everything is back, and the ledger goes on", arguments: 0...1)
    func whole(number: Int) throws {
        let report = try restore(from: sources[number])
        #expect(report.restored == 6 && report.lacking == 0 && report.rejected == 1)
        #expect(report.isComplete && report.list == nil && report.copiesProblem == nil)
        try expectWhole()
        let old = try contents(of: sources[number] + "/ledger/" + ledgerName(sources[number]))
        for volume in new {
            let ledger = try contents(of: volume + "/ledger/" + ledgerName(volume))
            #expect(ledger.starts(with: old) && ledger.count > old.count)
        }
        try open { archive in
            let volumes = try archive.index.read { try $0.volumes() }
            #expect(volumes.map(\.ordinal) == [1, 2, 3, 4])
            #expect(volumes.map(\.state) == [.retired, .retired, .active, .active])
            #expect(
                try archive.ingest(series(seed: 5, images: 1)[0], in: temporary.folder).archived
                    != nil)
        }
        #expect(!Files.exists(path + "/restore.scratch"))
    }

    private func ledgerName(_ volume: String) throws -> String {
        try #require(try files(below: volume + "/ledger").first)
    }

    @Test("What is interrupted goes on, and nothing comes twice")
    func interrupted() throws {
        try begin(request(from: sources[0]))
        let first = try open { archive in
            try archive.restore(shouldStop: { true }) { _ in }
        }
        #expect(!first.isComplete && first.restored == 0)
        let report = try restore(from: sources[0])
        #expect(report.restored == 6 && report.isComplete)
        let again = try restore(from: sources[0])
        #expect(again.restored == 0 && again.isComplete)
        try expectWhole()
    }

    @Test("An interruption before the archive is one leaves volumes that are made anew")
    func interruptedEarly() throws {
        try begin(request(from: sources[0]))
        // As if the process had died before pacsfs.toml, in the middle of a ledger.
        for name in ["pacsfs.toml", "archive.json", "index.sqlite"] { unlink("\(path)/\(name)") }
        let ledger = new[1] + "/ledger/" + (try ledgerName(new[1]))
        #expect(truncate(ledger, 100) == 0)
        try FileManager.default.removeItem(atPath: new[0])
        let note = path + "/restore.json"
        let text = try Files.text(note).replacing(
            "\"isPrepared\":true", with: "\"isPrepared\":false")
        try Files.write(Array(text.utf8), to: note)
        #expect(try restore(from: sources[0]).restored == 6)
        try expectWhole()
    }

    @Test("Images that are damaged or gone are named, and come from another source")
    func damagedSource() throws {
        let (altered, gone) = (blob(1, in: sources[0]), blob(4, in: sources[0]))
        chmod(altered, 0o644)
        var bytes = images[1]
        bytes[bytes.count - 1] ^= 1
        try Files.write(bytes, to: altered)
        unlink(gone)
        let report = try restore(from: sources[0])
        #expect(report.restored == 4 && report.lacking == 2 && report.isComplete)
        #expect(report.examples.count == 2)
        let list = try Files.text(#require(report.list))
        for number in [1, 4] { #expect(list.contains(Digest.of(images[number]).hex)) }
        for volume in new {
            #expect(!Files.exists(blob(1, in: volume)) && !Files.exists(blob(4, in: volume)))
        }
        let second = try restore(from: sources[1])
        #expect(second.restored == 2 && second.present == 4 && second.lacking == 0)
        try expectWhole()
    }

    @Test("A ledger that was changed is not believed, and nothing is made", arguments: 0..<3)
    func changedLedger(kind: Int) throws {
        let file = sources[0] + "/ledger/" + (try ledgerName(sources[0]))
        var bytes = try contents(of: file)
        switch kind {
        case 0:
            // Another name of a patient.
            let place = try #require(bytes.firstRange(of: Array("PatientName\":\"".utf8)))
            bytes[place.upperBound] ^= 1
        case 1:
            // A record in the middle is gone.
            let lines = bytes.split(separator: 10)
            bytes = Array((lines[..<2] + lines[3...]).joined(separator: [10])) + [10]
        default: bytes = Array(bytes.split(separator: 10)[1...].joined(separator: [10])) + [10]
        }
        try Files.write(bytes, to: file)
        #expect(throws: ArchiveError.self) { try begin(request(from: sources[0])) }
        for path in new + [path] { #expect(!Files.exists(path), "\(path)") }
        // Another source will do.
        #expect(try restore(from: sources[1]).restored == 6)
    }

    @Test("A ledger that was rolled back lacks the head that was noted")
    func rolledBack() throws {
        let file = sources[0] + "/ledger/" + (try ledgerName(sources[0]))
        let bytes = try contents(of: file)
        let lines = bytes.split(separator: 10)
        let head = Digest.of(Array(try #require(lines.last))).hex
        var request = request(from: sources[0])
        request.head = Verification.Head("\(head):\(lines.count)")
        try Files.write(Array(lines.dropLast().joined(separator: [10])) + [10], to: file)
        #expect(throws: ArchiveError.self) { try begin(request) }
        try Files.write(bytes, to: file)
        try begin(request)
    }

    @Test("What is in use, or survived, is not written over")
    func refusals() throws {
        try temporary.folder.write("mine".utf8, to: "taken/file")
        let taken = temporary.folder.path("taken")
        let other = try TemporaryArchive()
        let requests = [
            RestoreRequest(
                archive: path, from: .folder(sources[0]), volumes: [new[0], sources[1]], copies: 2),
            RestoreRequest(
                archive: path, from: .folder(sources[0]), volumes: [new[0], taken], copies: 2),
            RestoreRequest(
                archive: path, from: .folder(sources[0]), volumes: [new[0], sources[0] + "/x"],
                copies: 2),
            RestoreRequest(archive: path, from: .folder(sources[0]), volumes: [new[0]], copies: 2),
            RestoreRequest(archive: other.path, from: .folder(sources[0]), volumes: new, copies: 2),
            RestoreRequest(archive: path, from: .folder(taken), volumes: new, copies: 2),
        ]
        for request in requests {
            #expect(throws: ArchiveError.self, "\(request)") { try begin(request) }
            #expect(!Files.exists(new[0]) && !Files.exists(path), "\(request)")
        }
        #expect(try files(below: taken) == ["file"])
    }

    @Test("The ledger may be in pieces, as it is off-site")
    func pieces() throws {
        let source = sources[0]
        let site = String(try ledgerName(source).prefix { $0 != "/" })
        let folder = "\(source)/ledger/\(site)"
        let lines = try contents(of: folder + "/000001.jsonl").split(separator: 10).map {
            Array($0) + [10]
        }
        func write(_ range: ClosedRange<Int>) throws {
            try Files.write(
                Array(lines[(range.lowerBound - 1)..<range.upperBound].joined()),
                to: "\(folder)/tail/\(range.lowerBound)-\(range.upperBound).jsonl")
        }
        let count = lines.count
        // The first segment has the first four records; one piece is of its time, two overlap.
        try Files.write(Array(lines[..<4].joined()), to: folder + "/000001.jsonl")
        try write(1...3)
        try write(4...6)
        try write(6...7)
        try write(8...count)
        let lost = "\(folder)/tail/6-7.jsonl"
        rename(lost, lost + ".away")
        #expect(throws: ArchiveError.self) { try begin(request(from: source)) }
        #expect(!Files.exists(path))
        rename(lost + ".away", lost)
        #expect(try restore(from: source).restored == 6)
        try expectWhole()
    }

    @Test("A part goes into a plain folder, under the paths of the first view")
    func part() throws {
        let index = try restoredIndex()
        let all = try index.read { reader in
            try (1...6).compactMap { try reader.details(Int64($0)) }
        }
        func path(_ details: ImageDetails) -> String {
            details.paths[0].dropFirst().joined(separator: "/")
        }
        let patient = try #require(all[0].attributes[.patientID])
        let uid = try #require(all[5].attributes[.studyInstanceUID])
        let cases: [(RestoreSelection, [ImageDetails])] = [
            (RestoreSelection(), all),
            (
                RestoreSelection(patient: patient),
                all.filter { $0.attributes[.patientID] == patient }
            ), (RestoreSelection(study: uid), Array(all[3...])),
            (RestoreSelection(since: "9999"), []),
        ]
        for (number, (selection, expected)) in cases.enumerated() {
            let folder = temporary.folder.path("part\(number)")
            let part = PartialRestore(
                from: .folder(sources[1]), folder: folder, selection: selection)
            let report = try part.run { _ in }
            #expect(report.restored == Int64(expected.count) && report.lacking == 0)
            #expect(try files(below: folder) == expected.map(path).sorted())
            for details in expected {
                #expect(
                    try Digest.of(contents(of: "\(folder)/\(path(details))")).bytes
                        == details.sha256)
            }
            guard let first = expected.first else { continue }
            try Files.write([1], to: "\(folder)/\(path(first))")
            let again = try part.run { _ in }
            #expect(again.restored == 1 && again.present == Int64(expected.count) - 1)
        }
    }

    private func restoredIndex() throws -> TagIndex {
        _ = try restore(from: sources[0])
        return try TagIndex(readingFrom: path + "/index.sqlite")
    }

    @Test("Series of the newest study come first")
    func newestFirst() throws {
        let index = try restoredIndex()
        let order = try index.read { try $0.seriesNewestFirst() }
        let dates = try index.read { reader in
            try order.map { series in
                try reader.wantedImages(inSeries: series, lacking: false).first.flatMap {
                    try reader.details($0.id)?.attributes[.studyDate]
                } ?? ""
            }
        }
        #expect(dates.count == 2 && dates == dates.sorted(by: >))
    }
}
