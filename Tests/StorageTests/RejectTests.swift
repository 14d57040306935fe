import TestSupport
import Foundation
import System
import Testing

@testable import Storage

@Suite("A rejected file", .onEveryFileSystem) struct RejectTests {
    let folder: TemporaryFolder
    let time = Timestamp(nanoseconds: 1_795_313_152_123_456_789)

    init() throws { folder = try TemporaryFolder() }

    private func incoming(_ path: String, _ bytes: [UInt8], _ volume: Volume) throws {
        try write(bytes, to: volume.path + "/staging/incoming/" + path)
    }

    /// Rejects a file of incoming as the archive does: it is copied, and its name there goes.
    private func reject(_ path: String, _ volume: Volume) throws -> String {
        let source = try Descriptor(
            opening: volume.path + "/staging/incoming/" + path, O_RDONLY)
        let place = try volume.rejected.reject(
            copyOf: source.number, path: path, reason: "no", at: time)
        try FileManager.default.removeItem(atPath: volume.path + "/staging/incoming/" + path)
        return place
    }

    @Test("is copied to the date's folder with a reason") func move() throws {
        let volume = try folder.volume()
        try incoming("CD 1/Thumbs.db", content(1), volume)
        let path = try reject("CD 1/Thumbs.db", volume)
        #expect(path == "rejected/2026-11-22/CD 1/Thumbs.db")
        #expect(try read(volume.path + "/" + path) == content(1))
        #expect(try text(volume.path + "/" + path + ".reason.txt") == "no\n")
        #expect(try files(below: volume.path + "/staging/commit") == [])
    }

    @Test("that a program changes after it was hashed is not set aside")
    func changed() throws {
        let volume = try folder.volume()
        let source = try folder.file("source", content(1))
        for other in [content(2), content(1, count: 999)] {
            expectError(.corrupt) {
                _ = try volume.rejected.stage(
                    copyOf: source.number, bytes: Int64(other.count), digest: .of(other),
                    reason: "no")
            }
            expectError(.corrupt) {
                _ = try volume.rejected.reject(
                    copyOf: source.number, bytes: Int64(other.count), digest: .of(other),
                    path: "a", reason: "no")
            }
            #expect(try files(below: volume.path + "/staging/commit") == [])
            #expect(try files(below: volume.path + "/rejected") == [])
        }
        let staged = try volume.rejected.stage(
            copyOf: source.number, bytes: 1000, digest: .of(content(1)), reason: "no")
        #expect(try volume.rejected.place(staged, at: "a", time) == "rejected/2026-11-22/a")
        #expect(try read(volume.path + "/rejected/2026-11-22/a") == content(1))
    }

    @Test("gets another name when other bytes have its own") func unique() throws {
        let volume = try folder.volume()
        var paths: Set<String> = []
        for seed in 1...3 as ClosedRange<UInt64> {
            try incoming("a.txt", content(seed), volume)
            paths.insert(try reject("a.txt", volume))
        }
        let suffixes = (2...3).map { Digest.of(content($0)).hex.prefix(4) }
        #expect(
            paths == [
                "rejected/2026-11-22/a.txt", "rejected/2026-11-22/a ~\(suffixes[0]).txt",
                "rejected/2026-11-22/a ~\(suffixes[1]).txt",
            ])
        #expect(try files(below: volume.path + "/rejected").count == 6)
    }

    @Test("that was rejected before is not kept twice") func same() throws {
        let volume = try folder.volume()
        let source = try folder.file("source", content(1))
        for _ in 1...2 {
            try incoming("a", content(1), volume)
            #expect(
                try reject("a", volume) == "rejected/2026-11-22/a")
        }
        #expect(
            try volume.rejected.reject(copyOf: source.number, path: "a", reason: "never", at: time)
                == "rejected/2026-11-22/a")
        #expect(
            try files(below: volume.path + "/rejected/2026-11-22") == ["a", "a.reason.txt"])
        #expect(try text(volume.path + "/rejected/2026-11-22/a.reason.txt") == "never\n")
        #expect(try files(below: volume.path + "/staging") == [])
    }

    @Test("whose name is that of a reason gets another, and no reason replaces a file of that name")
    func reasonName() throws {
        let volume = try folder.volume()
        let day = volume.path + "/rejected/2026-11-22/"
        try incoming("scan.txt.reason.txt", content(1), volume)
        try incoming("CD.reason.txt/a", content(2), volume)
        try incoming("scan.txt", content(3), volume)
        #expect(
            try reject("scan.txt.reason.txt", volume)
                == "rejected/2026-11-22/scan.txt.reason (1).txt")
        #expect(
            try reject("CD.reason.txt/a", volume)
                == "rejected/2026-11-22/CD.reason (1).txt/a")
        #expect(
            try reject("scan.txt", volume)
                == "rejected/2026-11-22/scan.txt")
        #expect(try read(day + "scan.txt.reason (1).txt") == content(1))
        #expect(try text(day + "scan.txt.reason.txt") == "no\n")
        // Put there by hand, or by a pacsfs before this one.
        try write(content(4), to: day + "b.reason.txt")
        try incoming("b", content(5), volume)
        let path = try reject("b", volume)
        #expect(path == "rejected/2026-11-22/b ~\(Digest.of(content(5)).hex.prefix(4))")
        #expect(try read(day + "b.reason.txt") == content(4))
        #expect(try text(volume.path + "/" + path + ".reason.txt") == "no\n")
    }

    @Test("may come from elsewhere, and the source stays") func copy() throws {
        let volume = try folder.volume()
        let source = try folder.file("source", content(5))
        let path = try volume.rejected.reject(
            copyOf: source.number, path: "x/y/z", reason: "no", at: time)
        #expect(try read(volume.path + "/" + path) == content(5))
        #expect(try read(folder.path("source")) == content(5))
        #expect(try files(below: volume.path + "/staging") == [])
    }

    @Test("may need a folder where a file is, and the other way round") func folderAndFile() throws
    {
        let volume = try folder.volume()
        try incoming("a", content(1), volume)
        _ = try reject("a", volume)
        try FileManager.default.removeItem(atPath: volume.path + "/staging/incoming")
        _ = try folder.reopen()
        let again = try folder.reopen()
        try incoming("a/b", content(2), again)
        let suffix = Digest.of(content(2)).hex.prefix(4)
        #expect(
            try reject("a/b", again)
                == "rejected/2026-11-22/a ~\(suffix)/b")
        let source = try folder.file("source", content(3))
        #expect(
            try again.rejected.reject(
                copyOf: source.number, path: "a ~\(suffix)", reason: "no", at: time
            )
            .hasPrefix("rejected/2026-11-22/a ~\(suffix) ~"))
    }

    @Test("with the longest name has a reason all the same") func longName() throws {
        let volume = try folder.volume()
        for (seed, name) in [
            String(repeating: "n", count: 255), String(repeating: "é", count: 125) + ".long",
        ].enumerated() {
            for bytes in [content(UInt64(seed)), content(UInt64(seed) + 10)] {
                try incoming(name, bytes, volume)
                let path = try reject(name, volume)
                #expect(try read(volume.path + "/" + path) == bytes)
            }
        }
        let all = try files(below: volume.path + "/rejected/2026-11-22")
        #expect(all.filter { $0.hasSuffix(".reason.txt") }.count == 4)
        #expect(all.count == 8)
    }

    @Test("stays below its folder") func escapes() throws {
        let volume = try folder.volume()
        let source = try folder.file("source", content(5))
        for path in ["../x", "/x", "a/../../x", ""] {
            expectError(.invalidArgument) {
                try volume.rejected.reject(
                    copyOf: source.number, path: path, reason: "no", at: time)
            }
        }
    }
}
