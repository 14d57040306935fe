import Archive
import Foundation
import Storage
import System
import TemporaryArchive
import Testing
import TestSupport

@Suite("Verification") struct VerificationTests {
    private let temporary: TemporaryArchive
    private let images: [[UInt8]]

    init() throws {
        temporary = try TemporaryArchive()
        images = series(images: 3)
        try temporary.archive(images)
    }

    /// What is found of one severity, and nothing of the other.
    private func only(
        _ severity: VerificationReport.Finding.Severity, _ report: VerificationReport,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> [VerificationReport.Finding] {
        #expect(
            report.findings.allSatisfy { $0.severity == severity }, "\(report.findings)",
            sourceLocation: sourceLocation)
        #expect(
            report.faults + report.attentions == report.findings.count,
            sourceLocation: sourceLocation)
        return report.findings
    }

    @Test("An archive as it is fits") func clean() throws {
        let report = try temporary.verify()
        #expect(report.findings.isEmpty, "\(report.findings)")
        let ledger = try temporary.ledger()
        #expect(report.records == Int64(ledger.count))
        #expect(report.head == ledger.last?.end.head.hex)
        #expect(report.volumes.map(\.goodBlobs) == [3, 3])
        let bytes = images.reduce(0) { $0 + Int64($1.count) }
        #expect(report.volumes.map(\.goodBytes) == [bytes, bytes])
    }

    @Test("An archive without images, and one that was never opened, fit") func empty() throws {
        let new = try TemporaryArchive()
        #expect(try new.verify().faults == 0)
        try new.open { _ in }
        #expect(try new.verify().findings.isEmpty)
    }

    @Test("Nothing on the volumes is changed, made or even marked as read") func changesNothing()
        throws
    {
        func traces() throws -> [String] {
            try temporary.volumes.flatMap { volume in
                try [volume]
                    + FileManager.default.subpathsOfDirectory(atPath: volume).map {
                        volume + "/" + $0
                    }
            }.sorted().map { path in
                var status = stat()
                lstat(path, &status)
                let isBlob = path.hasSuffix(".dcm")
                return
                    """
                    \(path) \(status.st_mode) \(status.st_size) \(status.st_ino) \
                    \(status.st_ctim) \(isBlob ? "\(status.st_atim)" : "")
                    """
            }
        }
        for number in 1...2 {
            // As an interrupted run may leave it, or an owner who tidied up.
            try FileManager.default.removeItem(atPath: temporary.volumes[number - 1] + "/staging")
        }
        let before = try traces()
        #expect(try temporary.verify().faults == 0)
        #expect(try traces() == before)
    }

    @Test("Volumes that are mounted read-only can be verified", .enabled(if: SmallDisk.isPossible))
    func readOnly() throws {
        var disks: [SmallDisk] = []
        let archive = try TemporaryArchive { folder in
            for number in 1...2 {
                let path = folder.path("disk\(number)")
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: false)
            }
        }
        try archive.archive(images)
        for number in 1...2 {
            // The volume's bytes on a disk that takes no more.
            let disk = archive.folder.path("disk\(number)")
            disks.append(try SmallDisk(at: disk, bytes: 32 << 20))
            try FileManager.default.copyItem(
                atPath: archive.volumes[number - 1], toPath: disk + "/v")
            try #require(mount("tmpfs", disk, "tmpfs", UInt(MS_REMOUNT | MS_RDONLY), nil) == 0)
        }
        defer { for disk in disks { disk.unplug() } }
        let report = try archive.verify(volumes: (1...2).map { archive.folder.path("disk\($0)/v") })
        #expect(report.findings.isEmpty, "\(report.findings)")
        #expect(report.volumes.map(\.goodBlobs) == [3, 3])
    }

    @Test("One volume, far from its archive, can be verified for itself") func alone() throws {
        let elsewhere = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: temporary.volumes[1], toPath: elsewhere.path("v"))
        let verification = try Verification(
            archive: elsewhere.path("none"), volumes: [elsewhere.path("v")],
            head: Verification.Head(temporary.verify().head))
        let report = try #require(try verification.run())
        #expect(report.faults == 0)
        #expect(report.notedHeadFound == true)
        #expect(report.volumes.first?.goodBlobs == 3)
    }

    @Test("An archive that nobody named counts only when a volume belongs to it")
    func assumed() throws {
        let other = try TemporaryArchive()
        let verification = try Verification(
            archive: other.path, isAssumed: true, volumes: [temporary.volumes[1]])
        let report = try #require(try verification.run())
        #expect(report.faults == 0, "\(report.findings)")
        #expect(report.volumes.first?.goodBlobs == 3)
        #expect(report.findings.map(\.file) == [nil], "\(report.findings)")
        let named = try Verification(archive: other.path, volumes: [temporary.volumes[1]])
        #expect(try #require(try named.run()).faults == 1)
        let own = try Verification(
            archive: temporary.path, isAssumed: true, volumes: [temporary.volumes[1]])
        #expect(try #require(try own.run()).findings.isEmpty)
    }

    @Test("A volume that is away wants a look, and the others are verified") func absent() throws {
        try FileManager.default.removeItem(atPath: temporary.volumes[0])
        #expect(try only(.attention, temporary.verify()).map(\.file) == [temporary.volumes[0]])
        // An empty mount point is no volume that was emptied.
        try FileManager.default.createDirectory(
            atPath: temporary.volumes[0], withIntermediateDirectories: false)
        let report = try temporary.verify()
        #expect(only(.attention, report).map(\.file) == [temporary.volumes[0]])
        #expect(report.volumes.map(\.goodBlobs) == [3])
    }

    @Test("A volume that was away and is behind wants a look, and what it should have is missing")
    func behind() throws {
        let lines = try temporary.lines(on: 2)
        try temporary.rewrite([Array(lines.dropLast())], on: 2)
        let findings = only(.attention, try temporary.verify())
        #expect(findings.map(\.record) == [Int64(lines.count)])
        #expect(findings.first?.volume == temporary.volumes[1])
    }

    @Test("An unfinished last line is told as a crash, and no tampering", arguments: [1, 2])
    func torn(on number: Int) throws {
        let file = try temporary.ledgerFile(on: number)
        let line = try #require(try temporary.lines(on: 1).last)
        let lineCount = Int64(try temporary.lines(on: 1).count)
        try withChanged(file, { $0 += Array(line.utf8.dropLast(40)) }) {
            let findings = only(.attention, try temporary.verify())
            #expect(findings.count == 1)
            #expect(findings.first?.reason.contains("no tampering") == true)
            #expect(findings.first?.record == lineCount + 1)
        }
        // A disk that wrote the second block of a batch and not the first.
        let size = try contents(of: file).count
        let zeros = [UInt8](repeating: 0, count: 1024 - size % 512)
        try withChanged(file, { $0 += zeros + Array(line.utf8) + [10] }) {
            let findings = only(.attention, try temporary.verify())
            #expect(findings.count == 1)
        }
        try temporary.open { _ in }
        #expect(try temporary.verify().findings.isEmpty)
    }

    @Test("Records that the index lacks want a look; records that only it knows are lost")
    func index() throws {
        let lines = try temporary.lines(on: 1)
        for number in 1...2 { try temporary.rewrite([Array(lines.dropLast())], on: number) }
        let faults = try temporary.verify().findings.filter { $0.severity == .fault }
        #expect(faults.map(\.record) == [Int64(lines.count)])
        let more = rechained(
            lines + [
                lines[lines.count - 1].replacing(
                    "\"n\":\(lines.count)", with: "\"n\":\(lines.count + 1)")
            ])
        for number in 1...2 { try temporary.rewrite([more], on: number) }
        #expect(try only(.attention, temporary.verify()).map(\.record) == [Int64(lines.count + 1)])
    }

    @Test("What no record knows wants a look, and is no tampering") func strays() throws {
        let orphan = Array("an image".utf8)
        let volume = temporary.volumes[0]
        try overwrite(folderOf(temporary.blob(.of(orphan), on: 1)), with: orphan)
        try overwrite(volume + "/blobs/notes.txt", with: [1])
        try overwrite(volume + "/holiday.jpg", with: [1])
        try overwrite(volume + "/ledger/readme", with: [1])
        let bad = temporary.blob(.of([7]), on: 2)
        try overwrite(folderOf(bad), with: [8])
        let found = Set(only(.attention, try temporary.verify()).map(\.file))
        #expect(
            found == [
                temporary.blob(.of(orphan), on: 1), volume + "/blobs/notes.txt",
                volume + "/holiday.jpg",
                volume + "/ledger/readme", bad,
            ])
        // On its way, a blob has a name in staging until its record is written.
        for name in ["/blobs/notes.txt", "/holiday.jpg", "/ledger/readme"] { unlink(volume + name) }
        unlink(bad)
        try overwrite(volume + "/staging/commit/\(Digest.of(orphan).hex).dcm", with: orphan)
        #expect(try temporary.verify().findings.isEmpty)
    }

    /// Makes the folder that a file is to be in.
    private func folderOf(_ path: String) throws -> String {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        return path
    }

    @Test("What is archived meanwhile gives no false alarm", .mayNotHang)
    func meanwhile() throws {
        let isDone = Lock(false)
        try temporary.open { archive in
            let writing = try WorkerThread("writing") {
                var seed: UInt64 = 100
                while !isDone.withLock({ $0 }) {
                    for image in series(seed: seed, images: 4) {
                        _ = try? archive.ingest(image, in: temporary.folder)
                    }
                    seed += 1
                }
            }
            var records: Set<Int64> = []
            // Until enough has come between two looks, however busy the machine is.
            for round in 0..<2000 {
                if round >= 30, records.count > 2 { break }
                let report = try temporary.verify()
                #expect(report.findings.isEmpty, "\(report.findings)")
                records.insert(report.records)
            }
            isDone.withLock { $0 = true }
            writing.join()
            #expect(records.count > 2, "nothing was archived meanwhile")
        }
    }

    @Test("It stops when it is told to") func stopped() throws {
        let verification = try Verification(archive: temporary.path, shouldStop: { true })
        #expect(try verification.run() == nil)
    }
}
