import TestSupport
import Foundation
import Storage
import SyntheticStudy
import System
import TemporaryArchive
import Testing
@testable import Archive

@Suite("Scrub") struct ScrubTests {
    private let temporary: TemporaryArchive
    private let images: [[UInt8]]

    init() throws {
        temporary = try TemporaryArchive()
        images = series(images: 8)
        try temporary.archive(images)
    }

    private func damage(_ image: Int, on volumes: Int...) throws {
        for volume in volumes {
            try withBlob(image, volume) { bytes in bytes[bytes.count / 2] ^= 1 }
        }
    }

    private func withBlob(_ image: Int, _ volume: Int, _ change: (inout [UInt8]) -> Void) throws {
        let path = temporary.blob(.of(images[image]), on: volume)
        var bytes = try contents(of: path)
        change(&bytes)
        try overwrite(path, with: bytes)
    }

    private func aside(on volume: Int) -> [String] {
        (try? files(below: temporary.volumes[volume - 1] + "/rejected/bad-blobs")) ?? []
    }

    @Test("Of an archive as it is every copy is read, and good") func clean() throws {
        try temporary.open { archive in
            var last = ScrubProgress()
            let report = try archive.scrub(progress: { last = $0 })
            #expect(report.volumes.map(\.files) == [8, 8])
            let bytes = images.reduce(0) { $0 + Int64($1.count) }
            #expect(report.volumes.map(\.bytes) == [bytes, bytes])
            #expect(
                report.isComplete && report.bad == 0 && report.strayCount == 0
                    && report.unhealed.isEmpty)
            #expect((last.files, last.bytes, last.totalBytes) == (16, 2 * bytes, 2 * bytes))
            let scrubs = try archive.index.read { try $0.scrubs(of: 2) }
            #expect(scrubs.count == 256 && scrubs.values.allSatisfy { $0.errors == 0 })
            // All that was read counts as verified from then on.
            let id = try #require(
                try archive.index.read { try $0.instance(sha256: Digest.of(images[0]).bytes) })
            let folder = Digest.of(images[0]).bytes[0]
            #expect(try archive.index.read { try $0.verified(id, on: 2) } == scrubs[folder]?.time)
        }
        #expect(try temporary.verify().findings.isEmpty)
        let before = try temporary.index.dump()
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
    }

    @Test("Volumes are scrubbed by path or by number") func named() throws {
        try temporary.open { archive in
            let byPath = try archive.scrub([temporary.volumes[1]])
            #expect(byPath.volumes.map(\.ordinal) == [2])
            let byNumber = try archive.scrub(["1"])
            #expect(byNumber.volumes.map(\.ordinal) == [1])
            #expect(throws: ArchiveError.self) { try archive.scrub(["3"]) }
        }
    }

    @Test("Images whose copies are all bad are listed, and nothing of them is deleted") func lost()
        throws
    {
        try damage(2, on: 1, 2)
        try damage(5, on: 1)
        let bad = try contents(of: temporary.blob(.of(images[2]), on: 1))
        try temporary.open { archive in
            let report = try archive.scrub()
            #expect(report.lost == [Digest.of(images[2]).hex])
            #expect(report.unhealed == report.lost)
            #expect(report.bad == 3 && report.healed == 1)
            // There is nothing left to be read, and it is said again.
            let again = try archive.scrub()
            #expect(again.lost == report.lost && again.bad == 0)
        }
        #expect(aside(on: 1).count == 2 && aside(on: 2).count == 1)
        for volume in 1...2 {
            let name = try #require(
                aside(on: volume).first { $0.hasPrefix(Digest.of(images[2]).hex) })
            #expect(
                try contents(of: "\(temporary.volumes[volume - 1])/rejected/bad-blobs/\(name)")
                    == bad)
        }
        #expect(try contents(of: temporary.blob(.of(images[5]), on: 1)) == images[5])
    }

    @Test(
        "A good copy without a record is adopted; files that are not images are reported and left"
    )
    func strays() throws {
        let digest = Digest.of(images[3])
        let volume = temporary.volumes[0]
        let orphan = Array("an image".utf8)
        try temporary.folder.write(
            orphan, to: "volume1/blobs/" + blobName(Digest.of(orphan).hex))
        try overwrite(volume + "/blobs/notes.txt", with: [1])
        try temporary.open { archive in
            // As it is after a copy was lost and found again.
            try archive.catalogue.record([.damage(digest, on: 1, .missing)])
            let report = try archive.scrub()
            #expect(report.volumes.map(\.adopted) == [1, 0])
            #expect(report.bad == 0)
            #expect(
                Set(report.strays.map(\.file)) == [
                    temporary.blob(.of(orphan), on: 1), volume + "/blobs/notes.txt",
                ])
            let id = try #require(try archive.index.read { try $0.instance(sha256: digest.bytes) })
            let copies = try archive.index.read { try $0.copies(of: id) }
            #expect(copies?.volumes == [1, 2])
        }
        #expect(try contents(of: temporary.blob(.of(orphan), on: 1)) == orphan)
        #expect(try contents(of: volume + "/blobs/notes.txt") == [1])
    }

    @Test("A scrub that is interrupted goes on where it stopped") func resumed() throws {
        let seen = Lock(0)
        // Slow enough that there is something left to be interrupted.
        let rate = images.reduce(0) { $0 + Int64($1.count) } / 6
        let first = try temporary.open { archive in
            try archive.scrub(
                ["2"], rate: rate, shouldStop: { seen.withLock { $0 >= 2 } },
                progress: { _ in seen.withLock { $0 += 1 } })
        }
        #expect(!first.isComplete)
        let done = try temporary.open { archive in try archive.index.read { try $0.scrubs(of: 2) } }
        #expect(!done.isEmpty && done.count < 256)
        try temporary.open { archive in
            let second = try archive.scrub(["2"])
            #expect(second.isComplete)
            let left = images.filter { done[Digest.of($0).bytes[0]] == nil }
            #expect(second.volumes.map(\.files) == [Int64(left.count)])
            // That one is finished: the next one reads everything.
            let third = try archive.scrub(["2"])
            #expect(third.volumes.map(\.files) == [8])
        }
    }

    @Test("A rate is kept") func paced() throws {
        let bytes = images.reduce(0) { $0 + Int64($1.count) }
        try temporary.open { archive in
            let clock = ContinuousClock()
            let time = try clock.measure { _ = try archive.scrub(["1"], rate: bytes / 3) }
            #expect(time > .milliseconds(1700) && time < .seconds(20), "took \(time)")
        }
    }

    @Test("A volume with many bad copies is failing, until all of it has been read and was good")
    func failing() throws {
        try temporary.archive((10..<14).flatMap { series(seed: $0, images: 3) })
        try temporary.open { archive in
            func state() throws -> (VolumeStateText, Int64) {
                let volume = try #require(
                    try archive.index.read { try $0.volumes() }.first { $0.ordinal == 2 })
                return (volume.state.rawValue, volume.errors)
            }
            for blob in try files(below: temporary.volumes[1] + "/blobs").prefix(12) {
                unlink(temporary.volumes[1] + "/blobs/" + blob)
            }
            #expect(try archive.scrub().healed == 12)
            #expect(try state() == ("failing", 12))
            #expect(try archive.scrub(["1"]).bad == 0)
            #expect(try state().0 == "failing")
            #expect(try archive.scrub(["2"]).bad == 0)
            #expect(try state() == ("active", 0))
        }
    }

    private typealias VolumeStateText = String

    @Test("An absent volume is reported, and the others are scrubbed") func absent() throws {
        try FileManager.default.removeItem(atPath: temporary.volumes[0])
        try temporary.open { archive in
            let report = try archive.scrub()
            #expect(report.volumes.map(\.files) == [0, 8])
            // A single ledger gets no records: the folders are reported, and read again.
            #expect(report.volumes.map(\.complete) == [false, false])
        }
        try temporary.configure { $0.replacing("# min_copies = 1", with: "min_copies = 1") }
        try temporary.open { archive in
            let report = try archive.scrub()
            #expect(report.volumes.map(\.files) == [0, 8])
            #expect(report.volumes.map(\.complete) == [false, true])
        }
    }

    // MARK: By itself

    private let day: Int64 = 86_400_000_000_000

    @Test("One of 256 folders is due every 256th of the time, those that are overdue at once")
    func due() {
        let now = 1000 * day
        #expect(Scrubs.due([:], days: 32, now: now) == [0])
        #expect(Scrubs.due([0: (now, 0)], days: 32, now: now) == [])
        #expect(Scrubs.due([0: (now - day / 8, 0)], days: 32, now: now) == [1])
        var times: [UInt8: (time: Int64, errors: Int64)] = [:]
        for folder in UInt8.min...UInt8.max { times[folder] = (now - Int64(folder) * day / 8, 0) }
        #expect(Scrubs.due(times, days: 32, now: now) == [])
        #expect(Scrubs.due(times, days: 32, now: now + day / 8) == [255])
        #expect(Scrubs.due(times, days: 16, now: now).count == 127)
        #expect(Scrubs.due(times, days: 16, now: now).first == 255)
    }

    @Test("By itself everything is read once in the days that are configured, and healed")
    func scheduled() throws {
        try damage(4, on: 2)
        try temporary.open { archive in
            let scrubs = archive.maintenance.scrubs
            var now = Timestamp.now().nanoseconds
            for _ in 0..<256 {
                now += 30 * day / 256
                try scrubs.scrubDueFolders(at: now)
            }
            for ordinal in 1...2 {
                #expect(try archive.index.read { try $0.scrubs(of: ordinal) }.count == 256)
            }
        }
        #expect(try contents(of: temporary.blob(.of(images[4]), on: 2)) == images[4])
        #expect(aside(on: 2).count == 1)
    }

    // MARK: Many

    @Test(
        "A thousand random faults on one volume are all found and healed, and the bad bytes kept",
        .mayNotHang)
    func thousand() throws {
        let temporary = try TemporaryArchive()
        var many: [[UInt8]] = []
        for seed in 1...20 as ClosedRange<UInt64> { many += series(seed: seed, images: 75) }
        let sources = try many.enumerated().map { index, image in
            ImportFile(
                path: try temporary.folder.write(image, to: "sources/\(index).dcm"),
                rejectedPath: "\(index).dcm")
        }
        try temporary.open { archive in
            #expect(archive.importFiles(sources).allSatisfy { $0.outcome == .archived })
        }
        var random = SystemRandomNumberGenerator()
        let damaged = Array(many.indices.shuffled(using: &random).prefix(1000))
        var kept: [Digest: [UInt8]] = [:]
        for (count, index) in damaged.enumerated() {
            let digest = Digest.of(many[index])
            let path = temporary.blob(digest, on: 1)
            var bytes = many[index]
            switch count % 4 {
            case 0: bytes[Int.random(in: 0..<bytes.count)] ^= UInt8(1) << UInt8.random(in: 0...7)
            case 1: bytes.removeLast(Int.random(in: 1...bytes.count))
            case 2:
                unlink(path)
                continue
            default: bytes = many[(index + 1) % many.count]
            }
            try overwrite(path, with: bytes)
            kept[digest] = bytes
        }
        try temporary.open { archive in
            let report = try archive.scrub()
            #expect((report.bad, report.healed, report.unhealed.count) == (1000, 1000, 0))
            #expect(report.volumes.map(\.bad) == [1000, 0])
            #expect(try archive.scrub().bad == 0)
        }
        for image in many {
            #expect(try contents(of: temporary.blob(.of(image), on: 1)) == image)
        }
        let folder = temporary.volumes[0] + "/rejected/bad-blobs"
        let aside = try files(below: folder)
        #expect(aside.count == kept.count)
        for name in aside {
            let digest = try #require(Digest(hex: name.prefix(64)))
            #expect(try contents(of: folder + "/" + name) == kept[digest])
        }
        #expect(try temporary.verify().findings.isEmpty)
    }
}
