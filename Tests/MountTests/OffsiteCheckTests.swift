import Archive
import Foundation
import Offsite
import OffsiteSupport
import Storage
import TestSupport
import Testing

/// What somebody does to a remote is found, said and mended.
@Suite(
    "A check of a remote", .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .mayNotHang)
struct OffsiteCheckTests {
    private struct Report: Decodable {
        struct Remote: Decodable {
            struct Fault: Decodable, Hashable {
                var object: String
                var fault: String
            }

            var objects: Int
            var good_by_hash: Int
            var good_by_size: Int
            var good_by_fetch: Int
            var faults: [Fault]
            var rolled_back: Int
            var unknown: Int
        }

        var remotes: [Remote]
    }

    private func check(
        _ archive: MountedArchive, _ options: String..., code: Int32,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Report.Remote {
        let run = try archive.run(
            [PacsfsProgram.path ?? "", "offsite", "check", "away", "--json"] + options,
            environment: ["PACSFS_ARCHIVE": archive.archive])
        #expect(run.code == code, "\(run.report)", sourceLocation: sourceLocation)
        return try #require(
            JSONDecoder().decode(Report.self, from: Data(run.output.utf8)).remotes.first)
    }

    @Test(
        "finds what was deleted, cut off, changed and swapped; it is brought there again",
        arguments: [false, true])
    func tampered(isEncrypted: Bool) throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try archive.importSeries(1...5)
            try archive.addRemote(remote, isEncrypted: isEncrypted)
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            let clean = try check(archive, code: 0)
            #expect(clean.faults.isEmpty && clean.unknown == 0 && clean.good_by_hash > 6)

            let access = try archive.remoteAccess()
            var names: [String: String] = [:]
            for name in try objects(archive) where name.hasPrefix("packs/") {
                names[name] = String(try access.serverPath(of: name).dropFirst(5))
            }
            let packs = names.keys.sorted()
            try #require(packs.count >= 5)
            let paths = packs.map { names[$0]! }
            unlink(paths[0])
            try archive.mustShell(
                """
                truncate -s -700 '\(paths[1])'
                printf x | dd of='\(paths[2])' bs=1 seek=700 conv=notrunc status=none
                cp '\(paths[3])' '\(paths[4])'
                echo strange >'\(remote.location.path)/strange'
                """)
            let found = try check(archive, code: 1)
            let faults = Dictionary(
                uniqueKeysWithValues: found.faults.map { ($0.object, $0.fault) })
            #expect(faults[packs[0]] == "missing" && faults[packs[1]] == "truncated")
            #expect(faults[packs[2]] == "changed" && faults[packs[4]] == "swapped")
            #expect(faults.count == 4 && found.unknown == 1 && found.rolled_back == 0)
            let status = try archive.pacsfs("status").output
            #expect(status.contains("not what was sent"), "\(status)")
            let waiting = try archive.remoteStatus()
            #expect((waiting["images"] as? Int ?? .max) < (try archive.imageCount()))

            // What has other bytes stays as it is, and its images go under other names.
            for _ in 0..<2 { _ = try archive.pacsfs("offsite", "push") }
            #expect(try archive.auditRemote().count == archive.imageCount())
            #expect(try archive.remoteStatus()["images_waiting"] as? Int == 0)
            let mended = try check(archive, "--download", code: 0)
            #expect(mended.faults.isEmpty && mended.good_by_fetch == mended.objects)
        }
    }

    @Test("finds that the remote was put back to an earlier state") func rolledBack() throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try archive.addRemote(remote)
            try archive.mustShell("echo early >$I/early.txt")
            #expect(eventually { (try? archive.hasRejected("early.txt")) ?? false })
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            try archive.mustShell("cp -a '\(remote.location.path)' ../before")
            try archive.importSeries(1...2)
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            try archive.mustShell(
                "rm -r '\(remote.location.path)'; cp -a ../before '\(remote.location.path)'")
            let found = try check(archive, code: 1)
            #expect(found.rolled_back >= 2 && found.faults.count == found.rolled_back)
            let status = try archive.pacsfs("status").output
            #expect(status.contains("rolled back"), "\(status)")
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            #expect(try archive.auditRemote().count == archive.imageCount())
            #expect(try check(archive, code: 0).rolled_back == 0)
        }
    }

    @Test("finds by reading what a listing does not show, where the server keeps no hashes")
    func sizeOnly() throws {
        let remote = try TestRemote(.webdav)
        try MountedArchive.with { archive in
            try archive.importSeries(1...2)
            try archive.addRemote(remote, isEncrypted: true)
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            #expect(try archive.pacsfs("offsite", "list").output.contains("size only"))
            let pack = try #require(objects(archive).first { $0.hasPrefix("packs/") })
            let access = try archive.remoteAccess()
            let path = try access.serverPath(of: pack).replacing(
                "base:", with: remote.folder.path("remote") + "/")
            try archive.mustShell(
                "printf x | dd of='\(path)' bs=1 seek=700 conv=notrunc status=none")
            #expect(try check(archive, code: 0).good_by_hash == 0)
            let found = try check(archive, "--download", code: 1)
            #expect(found.faults.map(\.fault) == ["corrupt"])
            #expect(found.faults.first?.object == pack)
            // A listing does not make it good.
            #expect(try check(archive, code: 1).faults == found.faults)
            for _ in 0..<2 { _ = try archive.pacsfs("offsite", "push") }
            #expect(try archive.auditRemote().count == archive.imageCount())
        }
    }

    /// The objects that the ledger says are there, by their plain names.
    private func objects(_ archive: MountedArchive) throws -> [String] {
        let run = try archive.mustShell(
            """
            cat \(archive.volumes[0])/ledger/*/*.jsonl | grep '"kind":"offsite"' \
            | grep -o '"object":"[^"]*"' | cut -d'"' -f4
            """)
        return run.output.split(separator: "\n").map(String.init)
    }
}
