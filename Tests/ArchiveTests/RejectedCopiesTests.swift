import Foundation
import Glibc
import Storage
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

@Suite("Copies of rejected and of waiting files")
struct RejectedCopiesTests {
    private let temporary: TemporaryArchive
    private let letter: String

    init() throws {
        temporary = try TemporaryArchive()
        try temporary.configure { $0.replacing("# min_copies = 1", with: "min_copies = 1") }
        letter = try temporary.folder.write(Array("a letter".utf8), to: "cd/letter.txt")
    }

    private func reject(_ archive: Archive) {
        _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "cd/letter.txt")])
    }

    /// The volumes that have the letter and its reason.
    private func holders() throws -> [String] {
        try (temporary.volumes + [temporary.folder.path("third")]).filter { volume in
            guard FileManager.default.fileExists(atPath: volume) else { return false }
            let names = try files(below: volume + "/rejected").filter {
                $0.hasSuffix("cd/letter.txt") || $0.hasSuffix("cd/letter.txt.reason.txt")
            }
            return names.count == 2
        }
    }

    private func missing(_ archive: Archive) throws -> Int64 {
        try archive.status(pending: nil, readMode: nil, mountpoint: nil).rejectedUnderReplicated
    }

    private func move(_ volume: Int, away: Bool) {
        let path = temporary.volumes[volume - 1]
        let (from, to) = away ? (path, path + ".away") : (path + ".away", path)
        #expect(rename(from, to) == 0)
    }

    @Test(
        "A volume that was away, or takes another's place, gets what was rejected", arguments: 1...2
    )
    func rejected(_ volume: Int) throws {
        try temporary.open { archive in
            move(volume, away: true)
            archive.volumes.check()
            reject(archive)
            try archive.maintenance.resilver.run()
            #expect(try holders().count == 1)
            #expect(try missing(archive) == 1)
            let health = try archive.status(pending: nil, readMode: nil, mountpoint: nil).health
            #expect(health.reasons.contains { $0.contains("1 of the files in rejected has fewer") })
            move(volume, away: false)
            archive.maintenance.watch.look()
            try archive.maintenance.resilver.run()
            #expect(try holders() == temporary.volumes)
            #expect(try missing(archive) == 0)
            // Now the other one is lost, and replaced.
            let other = 3 - volume
            move(other, away: true)
            archive.volumes.check()
            let third = temporary.folder.path("third")
            _ = try archive.replaceVolume(String(other), with: third)
            try archive.maintenance.resilver.run()
            #expect(try holders() == [temporary.volumes[volume - 1], third])
            #expect(try missing(archive) == 0)
        }
    }

    @Test("Replacing the only volume with a rejected file says what would be lost")
    func only() throws {
        try temporary.open { archive in
            move(2, away: true)
            archive.volumes.check()
            reject(archive)
            move(2, away: false)
            archive.maintenance.watch.look()
            move(1, away: true)
            archive.volumes.check()
            let error = try #require(throws: ArchiveError.self) {
                try archive.replaceVolume("1", with: temporary.folder.path("third"))
            }
            #expect(error.description.contains("1 files that were set aside have their only copy"))
        }
    }

    @Test("A damaged copy of a rejected file is not passed on, and verify names it")
    func damaged() throws {
        try temporary.open { archive in
            reject(archive)
            let bad = try #require(
                try files(below: temporary.volumes[0] + "/rejected").first {
                    $0.hasSuffix("letter.txt")
                })
            let path = temporary.volumes[0] + "/rejected/" + bad
            try Data("A letter".utf8).write(to: URL(filePath: path))
            move(2, away: true)
            archive.volumes.check()
            _ = try archive.replaceVolume(
                "2", with: temporary.folder.path("third"), acceptingLoss: true)
            try archive.maintenance.resilver.run()
            #expect(try holders() == [temporary.volumes[0]])
        }
        let report = try #require(try Verification(archive: temporary.path).run())
        #expect(report.faults == 1)
        #expect(report.findings.contains { $0.reason.contains("set aside was altered") })
    }

    @Test("Verify misses a rejected file that is on no volume, unless it was archived since")
    func gone() throws {
        try temporary.open { archive in reject(archive) }
        func findings() throws -> [String] {
            try #require(try Verification(archive: temporary.path).run()).findings.map(\.reason)
        }
        #expect(try findings() == [])
        for volume in temporary.volumes {
            try FileManager.default.removeItem(atPath: volume + "/rejected")
            #expect(mkdir(volume + "/rejected", 0o700) == 0)
        }
        #expect(try findings().contains { $0.contains("is on no volume") })
    }

    @Test("What waits gets a copy when it has waited for a while, which goes when it does")
    func waiting() throws {
        let part = "volume1/staging/incoming/cd/w.dcm.part"
        let copy = temporary.volumes[1] + "/staging/waiting/1/cd/w.dcm.part"
        try temporary.open { archive in
            try temporary.folder.write(Array("half".utf8), to: part)
            let waiting = archive.maintenance.waiting
            waiting.look()
            #expect(!FileManager.default.fileExists(atPath: copy), "most files wait for a moment")
            waiting.look()
            #expect(try contents(of: copy) == Array("half".utf8))
            // It was written on.
            try temporary.folder.write(Array("half and more".utf8), to: part)
            waiting.look()
            waiting.look()
            #expect(try contents(of: copy) == Array("half and more".utf8))
            unlink(temporary.folder.path(part))
            waiting.look()
            #expect(try files(below: temporary.volumes[1] + "/staging/waiting").isEmpty)
        }
    }

    @Test("What waited on a volume that is lost is in incoming when another takes its place")
    func lost() throws {
        try temporary.folder.write(
            Array("half".utf8), to: "volume1/staging/incoming/cd/w.dcm.part")
        let image = series(images: 1)[0]
        try temporary.open { archive in
            // One that its writer had closed and that could not be stored: its second name says so.
            try temporary.folder.write(image, to: "volume1/staging/incoming/whole.dcm")
            #expect(
                link(
                    temporary.volumes[0] + "/staging/incoming/whole.dcm",
                    temporary.volumes[0] + "/staging/commit/\(Digest.of(image).hex).dcm") == 0)
            for _ in 1...2 { archive.maintenance.waiting.look() }
            move(1, away: true)
            archive.volumes.check()
            // It may come back with everything.
            archive.maintenance.waiting.look()
            let here = temporary.volumes[1] + "/staging"
            #expect(try contents(of: here + "/waiting/1/cd/w.dcm.part") == Array("half".utf8))
            _ = try archive.replaceVolume("1", with: temporary.folder.path("third"))
            #expect(try contents(of: here + "/incoming/cd/w.dcm.part") == Array("half".utf8))
            #expect(try contents(of: here + "/incoming/whole.dcm") == image)
            #expect(!FileManager.default.fileExists(atPath: here + "/waiting/1"))
            #expect(
                FileManager.default.fileExists(
                    atPath: here + "/commit/\(Digest.of(image).hex).dcm"), "it is known to be whole"
            )
        }
        // The next start archives what was whole, and leaves the other for its writer.
        try temporary.open { archive in
            let found = try archive.index.read { try $0.instance(sha256: Digest.of(image).bytes) }
            #expect(found != nil)
        }
        #expect(
            try contents(of: temporary.volumes[1] + "/staging/incoming/cd/w.dcm.part")
                == Array("half".utf8))
    }
}
