import DICOM
import Foundation
import Offsite
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

/// An archive on two volumes with a folder as a remote, everything pushed, in several pieces.
private struct DrilledArchive {
    let temporary: TemporaryArchive
    let images: [[UInt8]]

    var remote: String { temporary.folder.path("nas/images") }

    init(isEncrypted: Bool = false) throws {
        temporary = try TemporaryArchive()
        images = (1...3).flatMap { series(seed: $0, images: 2) }
        try FileManager.default.createDirectory(
            atPath: temporary.folder.path("nas"), withIntermediateDirectories: false)
        try temporary.open { archive in
            _ = try archive.addRemote(
                RemoteRequest(
                    name: "nas", location: RemoteLocation(folder: remote),
                    isEncrypted: isEncrypted))
            var secrets = try RemoteSecrets("nas", of: archive.path)
            secrets.sheet = .now()
            try secrets.write(in: archive.path)
            for some in [images[..<2], images[2..<4], images[4...]] {
                for image in some { _ = try archive.ingest(image, in: temporary.folder).get() }
                _ = try archive.pushRemote("nas")
            }
        }
    }

    /// Drills one source of the archive, after `change`, and puts back what that has changed.
    func drill(
        _ source: String, _ change: (Archive) throws -> Void = { _ in }
    ) throws -> DrillReport {
        let kept = temporary.folder.path("kept")
        let folders = source == "nas" ? [remote] : temporary.volumes
        for (number, folder) in folders.enumerated() {
            try FileManager.default.createDirectory(
                atPath: kept, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: folder, toPath: "\(kept)/\(number)")
        }
        defer { try? FileManager.default.removeItem(atPath: kept) }
        let report = try temporary.open { archive in
            try change(archive)
            return try archive.maintenance.drills.look(source)
        }
        for (number, folder) in folders.enumerated() {
            try FileManager.default.removeItem(atPath: folder)
            try FileManager.default.copyItem(atPath: "\(kept)/\(number)", toPath: folder)
        }
        return report
    }

    func objects(_ folder: String) throws -> [String] {
        try files(below: "\(remote)/\(folder)").sorted().map { "\(remote)/\(folder)/\($0)" }
    }

    /// The pieces of the ledger, in the order of their records.
    func pieces() throws -> [String] {
        try objects("ledger").sorted {
            (OffsiteLayout.records(ofTail: object($0))?.lowerBound ?? 0)
                < (OffsiteLayout.records(ofTail: object($1))?.lowerBound ?? 0)
        }
    }

    private func object(_ path: String) -> String { String(path.dropFirst(remote.count + 1)) }
}

private func change(_ path: String, _ body: (inout [UInt8]) -> Void) throws {
    var bytes = try contents(of: path)
    body(&bytes)
    chmod(path, 0o644)
    try Files.write(bytes, to: path)
}

/// A kind of image whose pixels are not what they should be: RLE (PS3.5 annex G) without sense.
private func brokenImage() -> [UInt8] {
    var image = SyntheticImage(seed: 77, modality: .computedTomography)
    image.picture = .thorax(rows: 16, columns: 16, seed: 77)
    image.omitted = [0x7FE0_0010]
    var bytes = image.write()
    let (plain, packed) = (Array("1.2.840.10008.1.2.1\0".utf8), Array("1.2.840.10008.1.2.5\0".utf8))
    if let place = bytes.firstRange(of: plain) { bytes.replaceSubrange(place, with: packed) }
    bytes += [0xE0, 0x7F, 0x10, 0x00] + Array("OB".utf8) + [0, 0, 0xFF, 0xFF, 0xFF, 0xFF]
    bytes += [0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0]
    bytes += [0xFE, 0xFF, 0x00, 0xE0, 64, 0, 0, 0] + [UInt8](repeating: 0x5A, count: 64)
    return bytes + [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]
}

@Suite("A drill restores from one source alone") struct DrillTests {
    /// Whether DCMTK is here.
    private static let hasDCMTK = (try? ProgramRun(["dcmj2pnm", "--version"]).succeeded) == true

    @Test(
        "A source that is whole passes, and the report says apart what was seen and what was done")
    func whole() throws {
        let drilled = try DrilledArchive()
        try drilled.temporary.open { archive in
            let reports = try archive.drill(isFull: true)
            #expect(reports.map(\.source) == ["volume 1", "volume 2", "remote nas"])
            for report in reports {
                #expect(report.failures.isEmpty && report.result == .passed, "\(report.failures)")
                #expect(report.images == 6 && report.listed == 6 && report.restored == 6)
                #expect(report.restoredBytes == report.bytes && report.fullRestoreS != nil)
                #expect(report.ledger.records >= report.ledger.expected)
                if Self.hasDCMTK { #expect(report.decoded == 6, "\(report.undecoded)") }
            }
            // A folder of a remote has hashes; a volume has none but what is read.
            #expect(reports.map(\.hashSeen) == [0, 0, 6])
            #expect(reports.map { $0.wipeTest != nil } == [false, false, true])
            let sampled = try archive.drill(["nas"])[0]
            #expect(sampled.result == .passed && sampled.sample.count <= 6)
            #expect(sampled.sample.map(\.reason).starts(with: ["newest", "oldest"]))
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.drills.map(\.result) == [.passed, .passed, .passed])
            #expect(status.drillFindings.isEmpty)
            let (volume, remote) = (status.drills[0], status.drills[2])
            #expect((volume.images, volume.listed, volume.restored) == (6, 6, 6))
            #expect(volume.hashSeen == 0 && remote.hashSeen == 6)
            #expect(volume.fullRestoreS == reports[0].fullRestoreS)
            #expect(remote.fullRestoreS == sampled.fullRestoreS && remote.problem == nil)
            if Self.hasDCMTK { #expect(volume.decoded == 6) }
        }
        // What the ledger does not have is read from the report, if it is there.
        func takes() throws -> [Int64?] {
            try drilled.temporary.open { archive in
                try archive.status(pending: nil, readMode: nil, mountpoint: nil).drills
                    .map(\.fullRestoreS)
            }
        }
        #expect(try takes().allSatisfy { $0 != nil })
        try FileManager.default.removeItem(atPath: drilled.temporary.path + "/drills")
        #expect(try takes() == [nil, nil, nil])
        // Nothing is left of what was restored.
        for volume in drilled.temporary.volumes {
            #expect(!Files.exists(volume + "/staging/drill"))
        }
        // A rebuilt index knows the same of drills.
        let before = try drilled.temporary.open { try $0.index.read { try $0.drills() } }
        drilled.temporary.removeIndex()
        let after = try drilled.temporary.open { try $0.index.read { try $0.drills() } }
        #expect(before == after && before.count == 3)
    }

    @Test("Whatever is wrong with a source, its drill fails, and says what that is")
    func broken() throws {
        let drilled = try DrilledArchive()
        let temporary = drilled.temporary
        let (packs, pieces) = (try drilled.objects("packs"), try drilled.pieces())
        #expect(packs.count == 3 && pieces.count >= 3)
        let digest = Digest.of(drilled.images[0])
        let blob = temporary.blob(digest, on: 2)
        var words: [DrillFault: String] = [:]
        func expect(
            _ kind: DrillFault, _ text: String, _ source: String,
            _ body: (Archive) throws -> Void
        ) throws {
            let report = try drilled.drill(source, body)
            #expect(report.result == .failed)
            let found = report.failures.first { $0.kind == kind && $0.text.contains(text) }
            #expect(found != nil, "\(kind) \"\(text)\" of \(report.failures)")
            if words[kind] == nil { words[kind] = found?.text }
        }
        // Of the remote.
        try expect(.missing, "It is not there", "nas") { _ in unlink(packs[0]) }
        try expect(.changed, "damaged", "nas") { _ in
            try change(packs[1]) { $0[$0.count / 2] ^= 1 }
        }
        try expect(.truncated, "listing", "nas") { _ in
            try change(packs[1]) { $0.removeLast(4096) }
        }
        try expect(.swapped, "listing", "nas") { _ in
            let (one, two) = (try contents(of: packs[0]), try contents(of: packs[1]))
            try change(packs[0]) { $0 = two }
            try change(packs[1]) { $0 = one }
        }
        try expect(.ledgerMissing, "are missing", "nas") { _ in unlink(pieces[1]) }
        try expect(.ledgerChanged, "damaged or was changed", "nas") { _ in
            try change(pieces[1]) { bytes in
                let place = bytes.firstRange(of: Array("\"kind\"".utf8))?.lowerBound ?? 0
                bytes[place + 1] ^= 1
            }
        }
        try expect(.rolledBack, "earlier state", "nas") { _ in unlink(pieces[pieces.count - 1]) }
        try expect(.empty, "it is empty", "nas") { _ in
            try FileManager.default.removeItem(atPath: drilled.remote)
            try FileManager.default.createDirectory(
                atPath: drilled.remote, withIntermediateDirectories: false)
        }
        try expect(.foreign, "belongs to the archive", "nas") { archive in
            try change(drilled.remote + "/" + OffsiteLayout.marker) { bytes in
                let id = archive.id
                let other = String(id.dropLast()) + (id.hasSuffix("0") ? "1" : "0")
                let text = String(decoding: bytes, as: UTF8.self).replacing(id, with: other)
                bytes = Array(text.utf8)
            }
        }
        // Of a volume.
        try expect(.notAFile, "Something else than a file", "2") { _ in
            unlink(blob)
            mkfifo(blob, 0o600)
        }
        try expect(.changed, "other bytes", "2") { _ in try change(blob) { $0[200] ^= 1 } }
        try expect(.truncated, "It ends after", "2") { _ in try change(blob) { $0.removeLast() } }
        try expect(.missing, "It is not there", "2") { _ in unlink(blob) }
        try expect(.ledgerForked, "another one than here", "2") { _ in
            // The last record has no other after it that would show the change.
            try change(temporary.ledgerFile(on: 2)) { bytes in
                let place = bytes.lastIndex(of: UInt8(ascii: ":")) ?? 0
                let quote = bytes[..<place].lastIndex(of: UInt8(ascii: "Z")) ?? 0
                bytes[quote - 1] = bytes[quote - 1] == 0x31 ? 0x32 : 0x31
            }
        }
        // Of what is said of images.
        for (column, kind) in [("source", DrillFault.index), ("name", .paths)] {
            try temporary.open { _ in }
            try temporary.index.execute("UPDATE instance SET \(column) = '9.dcm' WHERE id = 1")
            try expect(kind, "Make", "2") { _ in }
            temporary.removeIndex()
        }
        #expect(try drilled.drill("nas").failures == [])
        #expect(try drilled.drill("2").failures == [])
        try expect(.attributes, "PatientName", "1") { archive in
            try Self.recordWrongly(series(seed: 1, images: 3)[2], archive)
        }
        temporary.removeIndex()
        // Of what was rejected.
        let letter = try temporary.folder.write(Array("no image".utf8), to: "letter.txt")
        try temporary.open { archive in
            _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "letter.txt")])
            _ = try archive.pushRemote("nas")
        }
        #expect(try drilled.drill("nas").rejected == 1)
        try expect(.rejected, "other bytes", "1") { _ in
            let folder = temporary.volumes[0] + "/rejected/"
            for name in try files(below: folder) where name.hasSuffix("letter.txt") {
                try change(folder + name) { $0[0] ^= 1 }
            }
        }
        try expect(.rejected, "It is not there", "nas") { _ in
            for name in try drilled.objects("rejected") where !name.hasSuffix(".txt") {
                unlink(name)
            }
        }
        #expect(words.count >= 14)
        #expect(Set(words.values).count == words.count, "\(words)")
    }

    @Test(
        "An image that was broken when it came is named apart, and fails no drill",
        .enabled(if: hasDCMTK, "DCMTK is not installed"))
    func brokenBefore() throws {
        let drilled = try DrilledArchive()
        let image = brokenImage()
        try drilled.temporary.open { archive in
            _ = try archive.ingest(image, in: drilled.temporary.folder).get()
            let report = try archive.drill(["1"], isFull: true)[0]
            #expect(report.result == .passed, "\(report.failures)")
            #expect(report.broken.map(\.sha256) == [Digest.of(image).hex])
            #expect(report.decoded == 6 && report.restored == 7)
            let text = DrillDocument(report).text
            #expect(text.contains("Broken when they came") && text.contains(Digest.of(image).hex))
        }
        // When nothing at all can be decoded it is not the images.
        let temporary = try TemporaryArchive()
        try temporary.open { archive in
            for seed: UInt8 in 0..<4 {
                var other = image
                other[other.count - 20] ^= seed
                _ = try archive.ingest(other, in: temporary.folder).get()
            }
            let report = try archive.drill(["1"], isFull: true)[0]
            #expect(report.failures.map(\.kind) == [.pixels], "\(report.failures)")
        }
    }

    @Test("A drill fetches no more than it may, the newest image in any case")
    func budget() throws {
        let drilled = try DrilledArchive()
        try drilled.temporary.configure {
            $0.replacing(#"bytes = "4000000000""#, with: "bytes = 1")
        }
        try drilled.temporary.open { archive in
            let report = try archive.drill(["nas"])[0]
            #expect(report.result == .passed, "\(report.failures)")
            // Of the pack that the newest is in, the others cost nothing.
            #expect(report.restored == 2 && report.sample.first?.reason == "newest")
            #expect(report.leftOut > 0 && report.restored + report.leftOut <= 6)
            #expect(DrillDocument(report).text.contains("Left out"))
            // Everything is everything.
            #expect(try archive.drill(["nas"], isFull: true)[0].restored == 6)
        }
    }

    @Test("Reports and their signatures go off-site, and the key does not")
    func reports() throws {
        let drilled = try DrilledArchive()
        try drilled.temporary.open { archive in
            _ = try archive.drill()
            _ = try archive.pushRemote("nas")
            let kept = try files(below: drilled.temporary.path + "/drills").filter {
                !$0.hasSuffix(".pem")
            }
            let names = try drilled.objects("drills").map { $0.split(separator: "/").last ?? "" }
            #expect(kept.count == 12 && names.sorted() == kept.sorted().map { $0[...] })
            #expect(try archive.drill(["nas"])[0].result == .passed)
            // One that is lost there goes again.
            unlink(try drilled.objects("drills")[0])
            _ = try archive.checkRemote("nas", isFetching: false)
            _ = try archive.pushRemote("nas")
            #expect(try drilled.objects("drills").count == 16)
        }
    }

    @Test("A disk that is taken home is drilled while it is here; pulling it out is no failure")
    func removable() throws {
        let temporary = try TemporaryArchive()
        let images = series(images: 4)
        try temporary.archive(images)
        let disk = temporary.folder.path("usb/pacsfs")
        try FileManager.default.createDirectory(
            atPath: temporary.folder.path("usb"), withIntermediateDirectories: true)
        let clock = ManualClock()
        try temporary.open(clock: clock) { archive in
            func status() throws -> ArchiveStatus {
                archive.maintenance.removable.look()
                return try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            }
            clock.advance(by: 100 * 86_400)
            _ = try archive.addRemovable(at: disk)
            #expect(try status().drills.count == 3)
            #expect(try status().drills.last?.isOverdue == false)
            let report = try archive.drill([disk])[0]
            #expect(report.result == .passed, "\(report.failures)")
            #expect((report.images, report.listed, report.restored) == (4, 4, 4))
            let drill = try #require(try status().drills.last)
            #expect(drill.place == disk && drill.result == .passed && !drill.isOverdue)
            #expect(drill.spoken == "the disk of \(disk)")
            // What is wrong with it.
            let blob = blobPath(Digest.of(images[1]).hex, on: disk)
            try change(blob) { $0[300] ^= 1 }
            let failed = try archive.drill([disk])[0]
            #expect(failed.failures.map(\.kind) == [.changed], "\(failed.failures)")
            #expect(failed.failures.first?.text.contains("Leave the disk plugged in") == true)
            // It is read once in 30 days, and made anew.
            clock.advance(by: 31 * 86_400)
            let mended = try status().removable[0]
            #expect(mended.bad == 1 && mended.state == .complete && mended.read != nil)
            #expect(try archive.drill([disk])[0].result == .passed)
            // At home it is not overdue, and cannot be drilled.
            rename(disk, disk + ".home")
            clock.advance(by: 90 * 86_400)
            let away = try #require(try status().drills.last)
            #expect(away.place == disk && !away.isOverdue)
            #expect(throws: ArchiveError.self) { try archive.drill([disk]) }
            rename(disk + ".home", disk)
            #expect(try status().drills.last?.isOverdue == true)
            // Pulled out in the middle: no report.
            let before = try files(below: temporary.path + "/drills").count
            #expect(throws: ArchiveError.self) {
                try archive.drill([disk], progress: { _ in rename(disk, disk + ".home") })
            }
            #expect(try files(below: temporary.path + "/drills").count == before)
            rename(disk + ".home", disk)
            #expect(try status().removable[0].state == .complete)
            try archive.maintenance.drills.drillDue(at: clock.utc)
            #expect(try status().drills.last?.isOverdue == false)
        }
    }

    /// An image that is stored, and a record that says something else of it.
    private static func recordWrongly(_ image: [UInt8], _ archive: Archive) throws {
        let digest = Digest.of(image)
        for volume in archive.volumes.online {
            let path = blobPath(digest.hex, on: volume.path)
            try FileManager.default.createDirectory(
                at: URL(filePath: path).deletingLastPathComponent(),
                withIntermediateDirectories: true)
            try Files.write(image, to: path)
        }
        var record = InstanceRecord(
            id: 0, series: 1, sha256: digest.bytes, bytes: Int64(image.count),
            received: 0, name: "00009.dcm", uidName: "9.9.dcm", flags: 0, source: "/cd/9",
            volumes: [1, 2], difference: AttributeSet(), same: nil)
        record.difference[.patientName] = "Nobody^Here"
        try archive.catalogue.record([.ingest(IngestEvent(record, uid: "9.9"))])
    }

    @Test("Wrong keys of an encrypted remote are not taken for an empty one")
    func wrongKeys() throws {
        let drilled = try DrilledArchive(isEncrypted: true)
        #expect(try drilled.drill("nas").failures == [])
        let path = drilled.temporary.path
        let secrets = try RemoteSecrets("nas", of: path)
        var wrong = secrets
        wrong.keys = CryptKeys(password: "other", salt: "keys")
        try wrong.write(in: path)
        let report = try drilled.drill("nas")
        #expect(report.failures.map(\.kind) == [.keys], "\(report.failures)")
        #expect(report.failures.first?.text.contains("these keys show nothing of it") == true)
        try secrets.write(in: path)
    }

    @Test(
        "A stranger verifies the report with openssl, as the report says; a changed one is refused")
    func certificate() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series())
        let report = try temporary.open { try $0.drill(["1"])[0] }
        let folder = temporary.path + "/drills"
        let names = try files(below: folder)
        let json = try #require(names.first { $0.hasSuffix(".json") })
        let text = try String(
            contentsOfFile: "\(folder)/\(json.dropLast(5)).txt", encoding: .utf8)
        let command = try #require(
            text.split(separator: "\n").first { $0.contains("openssl pkeyutl") })
        let shell = ["sh", "-c", "cd '\(folder)' && \(command)"]
        #expect(try ProgramRun(shell).succeeded)
        // The key is in the report too, and on the sheet.
        let key = try String(contentsOfFile: folder + "/public-key.pem", encoding: .utf8)
        #expect(text.contains(key) && DrillKey.publicPEM(ofBase64: report.publicKey) == key)
        #expect(try DrillKey(of: temporary.path).publicPEM == key)
        var status = stat()
        stat(folder + "/signing-key.pem", &status)
        #expect(status.st_mode & 0o777 == 0o600)
        // What is kept says the same as the ledger.
        let record = try #require(try temporary.ledger().last)
        #expect(
            record.entry.body["report"]?.string
                == Digest.of(try contents(of: "\(folder)/\(json)")).hex)
        let page = try String(
            contentsOfFile: "\(folder)/\(json.dropLast(5)).html", encoding: .utf8)
        for rule in ["(A)", "(B)", "(D)"] {
            #expect(page.contains("164.308(a)(7)(ii)\(rule)") && text.contains(rule))
        }
        // No patient is named.
        let names2 = try temporary.open { archive in
            try archive.index.read { try $0.details(1)?.attributes[.patientName] }
        }
        let family = try #require(names2?.split(separator: "^").first)
        for content in [
            text, page, try String(contentsOfFile: "\(folder)/\(json)", encoding: .utf8),
        ] {
            #expect(!content.contains(family))
        }
        try change("\(folder)/\(json)") { bytes in
            let place = bytes.firstRange(of: Array("\"restored\" : ".utf8))?.upperBound ?? 0
            bytes[place] = bytes[place] == 0x39 ? 0x38 : bytes[place] + 1
        }
        #expect(try !ProgramRun(shell).succeeded)
    }

    @Test("A drill that failed, or is overdue, is in the status; the daemon's schedule mends that")
    func schedule() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series())
        let clock = ManualClock()
        try temporary.open(clock: clock) { archive in
            func status() throws -> ArchiveStatus {
                try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            }
            func drillDue() throws { try archive.maintenance.drills.drillDue(at: clock.utc) }
            #expect(try status().drills.map(\.isOverdue) == [false, false])
            try drillDue()
            #expect(try status().drills.allSatisfy { $0.last == nil })
            clock.advance(by: 31 * 86_400)
            #expect(try status().drillFindings.isEmpty)
            clock.advance(by: 7 * 86_400)
            let late = try status()
            #expect(late.drills.map(\.isOverdue) == [true, true])
            #expect(late.health.level != .safe)
            #expect(late.health.reasons.contains { $0.contains("pacsfs drill 1 2") })
            try drillDue()
            #expect(try status().drills.map(\.result) == [.passed, .passed])
            #expect(try status().drillFindings.isEmpty)
            // One that failed comes again after a day.
            let blob = temporary.blob(Digest.of(series()[0]), on: 2)
            rename(blob, blob + ".away")
            #expect(try archive.drill(["2"])[0].result == .failed)
            let failed = try status()
            #expect(failed.drills.map(\.result) == [.passed, .failed])
            #expect(failed.health.reasons.contains { $0.contains("pacsfs drill 2") })
            #expect(failed.drills[1].problem?.contains("pacsfs scrub 2") == true)
            #expect(failed.health.headline.contains("pacsfs scrub 2"))
            rename(blob + ".away", blob)
            try drillDue()
            #expect(try status().drills[1].result == .failed)
            clock.advance(by: 86_401)
            try drillDue()
            #expect(try status().drills[1].result == .passed)
        }
    }

    @Test("What DCMTK cannot decode is named apart, and is no failure")
    func undecoded() throws {
        let temporary = try TemporaryArchive()
        let decoder = PixelDecoder(scratch: temporary.folder.path("scratch"))
        let file = try temporary.folder.write(series()[0], to: "one.dcm")
        #expect(
            decoder.decode(file, syntax: "1.2.840.10008.1.2.4.90")
                == .notDecoded("DCMTK does not decode JPEG 2000"))
        let without = PixelDecoder(
            scratch: temporary.folder.path("scratch"), programs: "/nowhere/")
        #expect(
            without.decode(file, syntax: "1.2.840.10008.1.2.1")
                == .notDecoded("DCMTK is not installed"))
        if Self.hasDCMTK {
            #expect(decoder.decode(file, syntax: "1.2.840.10008.1.2.1") == .decoded)
        }
    }
}
