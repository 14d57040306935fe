import Archive
import Foundation
import Offsite
import OffsiteSupport
import Storage
import TestSupport
import Testing

/// Copies away from the building, by the daemon and the commands as people use them.
@Suite(
    "Off-site", .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .mayNotHang)
struct OffsiteMountTests {
    @Test(
        "Everything goes to each kind of remote, is proven there, and is found by hand",
        arguments: [
            (RemoteKind.folder, false), (.sftp, true), (.webdav, false), (.folder, true),
        ])
    func everyKind(kind: RemoteKind, isEncrypted: Bool) throws {
        try expectAll(kind, isEncrypted)
    }

    @Test(
        "Everything goes to S3", .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent),
        arguments: [false, true])
    func s3(isEncrypted: Bool) throws { try expectAll(.s3, isEncrypted) }

    @Test(
        "Everything goes to OpenSSH", .enabled(if: OpenSSH.isInstalled, OpenSSH.isAbsent),
        arguments: [false, true])
    func openSSH(isEncrypted: Bool) throws { try expectAll(.sshd, isEncrypted) }

    private func expectAll(_ kind: RemoteKind, _ isEncrypted: Bool) throws {
        let remote = try TestRemote(kind)
        try MountedArchive.with { archive in
            try archive.importSamples()
            try archive.mustShell("echo note >$I/notes.txt")
            try #require(
                eventually { Files.exists(archive.mountpoint + "/rejected") })
            try archive.addRemote(remote, isEncrypted: isEncrypted)
            #expect(eventually { (try? archive.hasRejected("notes.txt")) ?? false })

            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 0, "\(push.report)")
            let status = try archive.remoteStatus()
            let count = try archive.imageCount()
            #expect(count > 10)
            #expect(status["images"] as? Int == count && status["images_waiting"] as? Int == 0)
            #expect(status["encrypted"] as? Bool == isEncrypted)
            #expect(status["hash"] as? String == kind.hash?.name)
            #expect(status["oldest_waiting_s"] is NSNull && status["faults"] as? Int == 0)
            #expect(try archive.auditRemote().count == count)

            // Nothing is sent twice, and what is pushed makes no pushes.
            let before = try archive.remoteAccess().rclone([
                "lsf", "-R", "base:" + remote.location.path,
            ])
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            let after = try archive.remoteAccess().rclone([
                "lsf", "-R", "base:" + remote.location.path,
            ])
            #expect(
                after.split(separator: 10).count - before.split(separator: 10).count <= 1,
                "\(String(decoding: after, as: UTF8.self))")

            try expectByHand(archive, count)
        }
    }

    /// The commands of README.txt on the remote, and nothing else.
    private func expectByHand(_ archive: MountedArchive, _ count: Int) throws {
        let folder = try TemporaryFolder()
        let access = try archive.remoteAccess()
        try access.download(to: folder.path("all"))
        var text: [UInt8] = []
        var open = access.configuration
        open.keys = nil
        try RemoteAccess(open, Rclone()).fetch(OffsiteLayout.readme) { text += $0 }
        let commands = String(decoding: text, as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("    ") && !$0.contains("smith") }
        #expect(commands.count == 3)
        let run = try ProgramRun(
            ["bash", "-euc", commands.joined(separator: "\n")], in: folder.path("all"))
        #expect(run.succeeded && run.output.isEmpty && run.errors.isEmpty, "\(run.report)")
        let files = try ProgramRun(
            ["find", "blobs", "-name", "*.dcm"], in: folder.path("all"))
        #expect(files.output.split(separator: "\n").count == count)
        let rejected = try ProgramRun(
            ["grep", "-rl", "^note$", "rejected"], in: folder.path("all"))
        #expect(rejected.succeeded, "\(rejected.report)")
    }

    @Test("Before the recovery sheet was printed nothing goes; then all goes by itself")
    func sheet() throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try archive.importSamples()
            let add = try archive.pacsfs("offsite", "add", "away", remote.written, "--encrypt")
            #expect(add.succeeded, "\(add.report)")
            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 2 && push.errors.contains("recovery sheet"), "\(push.report)")
            #expect(try archive.remoteStatus()["state"] as? String == "blocked")
            #expect(try archive.pacsfs("status").output.contains("recovery sheet"))
            try archive.confirmSheet("away")
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            #expect(try archive.auditRemote().count == archive.imageCount())
            let mode = try ProgramRun(
                ["stat", "-c", "%a", archive.archive + "/offsite/away.json"]
            ).output
            #expect(mode == "600\n")
        }
    }

    @Test("doctor names what keep_years needs, and a setting of no remote") func doctor() throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with(isMounted: false) { archive in
            try archive.addRemote(remote)
            #expect(try archive.pacsfs("doctor").output.contains("remote away"))
            try archive.configure {
                $0 + "\n[offsite.away]\nkeep_years = 10\n[offsite.gone]\nbandwidth = \"1M\"\n"
            }
            let doctor = try archive.pacsfs("doctor")
            #expect(doctor.code == 2 && doctor.output.contains("1.74"), "\(doctor.report)")
            #expect(doctor.output.contains("[offsite.gone]"), "\(doctor.report)")
            // Nothing goes without the lock that was asked for.
            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 2 && push.errors.contains("keep_years"), "\(push.report)")
        }
    }

    @Test(
        "With object lock the ledger knows until when, and the verdict is that of the test",
        .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent))
    func objectLock() throws {
        let remote = try TestRemote(.s3, isLocked: true)
        try MountedArchive.with(isMounted: false) { archive in
            try archive.importSeries(1...2)
            try archive.configure { $0 + "\n[offsite.away]\nkeep_years = 10\n" }
            let rclone = ["PACSFS_RCLONE": PythonPrograms.rclone ?? ""]
            // A server that has just begun may answer InternalError.
            let script = """
                for try in 1 2 3 4 5 6 7 8 9 10; do
                    "$PACSFS" offsite add away '\(remote.written)' && break
                    sleep 1
                done
                "$PACSFS" offsite push
                """
            let push = try archive.shell(script, rclone)
            #expect(push.succeeded, "\(push.report)")
            // The keys of the test are an administrator's, who may end a lock: the verdict says so.
            #expect(push.output.contains("can delete everything"), "\(push.report)")
            let access = try archive.remoteAccess()
            let pack = try archive.mustShell(
                "cat \(archive.volumes[0])/ledger/*/*.jsonl | grep -o 'packs/[^\"]*tar' | head -1"
            ).output.trimmingCharacters(in: .newlines)
            let other = try RemoteAccess(
                access.configuration, Rclone(program: PythonPrograms.rclone))
            let facts = String(
                decoding: try other.rclone(["lsjson", "-M", "--stat", access.serverPath(of: pack)]),
                as: UTF8.self)
            let year = Calendar.current.component(.year, from: Date()) + 10
            #expect(facts.contains("GOVERNANCE") && facts.contains("\(year)-"), "\(facts)")

            // A pack that is deleted is only hidden, and check says so. Versions are told apart by
            // whole seconds.
            usleep(2_500_000)
            _ = try other.rclone(["deletefile", access.serverPath(of: pack)])
            let check = try archive.shell("\"$PACSFS\" offsite check", rclone)
            #expect(check.code == 1 && check.output.contains("missing: \(pack)"), "\(check.report)")
            #expect(check.output.contains("1 of them were only hidden"), "\(check.report)")
        }
    }

    @Test("A remote is refused that is another archive's, or in the archive, or of a taken name")
    func refused() throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try archive.addRemote(remote)
            func expect(_ words: String, _ arguments: String...) throws {
                let run = try archive.run(
                    [PacsfsProgram.path ?? "", "offsite"] + arguments,
                    environment: ["PACSFS_ARCHIVE": archive.archive])
                #expect(run.code == 2 && run.errors.contains(words), "\(run.report)")
            }
            try expect("already", "add", "away", remote.folder.path("other"))
            try expect("of the archive itself", "add", "here", archive.volumes[0] + "/x")
            try expect("There is no remote", "push", "nowhere")
            try expect("There is no remote", "remove", "nowhere")
            try MountedArchive.with { other in
                let run = try other.pacsfs("offsite", "add", "away", remote.written)
                #expect(run.code == 2 && run.errors.contains("another archive"), "\(run.report)")
                #expect(!Files.exists(other.archive + "/offsite/away.json"))
            }
            #expect(try archive.pacsfs("offsite", "remove", "away").code == 0)
            #expect(try archive.pacsfs("offsite", "list").output.contains("Everything is in this"))
        }
    }

    @Test("A share that is not mounted is not filled, and a forgotten remote is proven anew")
    func vanished() throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try archive.importSamples()
            try archive.addRemote(remote)
            #expect(try archive.pacsfs("offsite", "push").code == 0)
            let place = remote.location.path
            rename(place, place + ".away")
            #expect(try archive.pacsfs("offsite", "forget", "away").code == 0)
            #expect(try archive.remoteStatus()["images"] as? Int == 0)
            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 2 && push.errors.contains("marker"), "\(push.report)")
            #expect(!Files.exists(place + "/packs"))
            try? FileManager.default.removeItem(atPath: place)
            rename(place + ".away", place)
            let again = try archive.pacsfs("offsite", "push")
            #expect(again.code == 0, "\(again.report)")
            #expect(try archive.auditRemote().count == archive.imageCount())
        }
    }
}

extension MountedArchive {
    /// How many images the archive has, all versions counted.
    func imageCount() throws -> Int {
        try mustShell("find \(volumes[0])/blobs -name '*.dcm' | wc -l").lines.first.flatMap {
            Int($0.trimmingCharacters(in: .whitespaces))
        } ?? 0
    }

    func hasRejected(_ name: String) throws -> Bool {
        try shell("find $M/rejected -name '\(name)' | grep -q .").succeeded
    }
}
