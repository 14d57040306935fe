import Archive
import Foundation
import Glibc
import Offsite
import OffsiteSupport
import Storage
import TestSupport
import Testing

/// What goes wrong in the middle of a push. Afterwards nothing is believed to be away that is not,
/// the next push brings the rest, and a check agrees with a download of everything.
///
/// `PACSFS_OFFSITE_IMAGES` makes the same with so many images: 5000 take some minutes.
@Suite(
    "A push that meets trouble", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount), .mayNotHang)
struct OffsiteTroubleTests {
    /// How many series there are, of four images of 32 KiB.
    private static let series =
        max(
            16,
            (ProcessInfo.processInfo.environment["PACSFS_OFFSITE_IMAGES"].flatMap { Int($0) } ?? 0)
                / 4)

    private func fill(_ archive: MountedArchive) throws {
        try archive.importSeries(1...UInt64(Self.series), images: 4, pixels: 128)
    }

    /// Slow enough to be interrupted; rclone lets the first 4 MiB through at once.
    private func limit(_ archive: MountedArchive, _ rate: String?) throws {
        try archive.configure { text in
            let section = rate.map { "\n[offsite.away]\nbandwidth = \"\($0)\"\n" } ?? ""
            return (text.components(separatedBy: "\n[offsite.away]").first ?? text) + section
        }
        if archive.isMounted { try archive.mustShell("\"$PACSFS\" reload") }
    }

    /// Pushes until nothing is left, and proves everything.
    private func expectWhole(
        _ archive: MountedArchive, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try archive.auditRemote(sourceLocation: sourceLocation)
        let push = try archive.pacsfs("offsite", "push", timeout: 600)
        #expect(push.code == 0, "\(push.report)", sourceLocation: sourceLocation)
        let count = try archive.imageCount()
        #expect(count == Self.series * 4, sourceLocation: sourceLocation)
        #expect(try archive.auditRemote().count == count, sourceLocation: sourceLocation)
        let check = try archive.pacsfs("offsite", "check", "--download", timeout: 600)
        #expect(check.code == 0, "\(check.report)", sourceLocation: sourceLocation)
        let status = try archive.remoteStatus()
        #expect(
            status["images_waiting"] as? Int == 0 && status["faults"] as? Int == 0
                && status["images"] as? Int == count,
            "\(status)", sourceLocation: sourceLocation)
        // The record of the check may just be on its way.
        #expect(
            try eventually { try archive.remoteStatus()["state"] as? String == "waiting" },
            sourceLocation: sourceLocation)
    }

    /// Begins a push, waits until the first packs are on the remote, and does something.
    private func during(
        _ archive: MountedArchive, _ remote: TestRemote, _ body: () throws -> Void
    ) throws {
        let push = Task.detached { try archive.pacsfs("offsite", "push", timeout: 600) }
        let isUnderWay = eventually(within: 30) {
            let place = remote.folder.path("remote")
            let run = try? ProgramRun(["find", place, "-type", "f", "-size", "+20k"])
            return !(run?.output.isEmpty ?? true)
        }
        #expect(isUnderWay)
        try body()
        push.cancel()
    }

    @Test("The daemon is killed; its rclone ends with it", arguments: [false, true])
    func daemonKilled(isEncrypted: Bool) throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try fill(archive)
            try archive.addRemote(remote, isEncrypted: isEncrypted)
            try limit(archive, "100k")
            try during(archive, remote) {
                try archive.killDaemon()
                let hasGone = eventually(within: 10) {
                    let run = try? ProgramRun([
                        "pgrep", "-f", "copy.*\(remote.location.path)|copy \(archive.folder.path)",
                    ])
                    return run?.output.isEmpty ?? false
                }
                #expect(hasGone)
            }
            try limit(archive, nil)
            try archive.mount()
            try expectWhole(archive)
        }
    }

    @Test(
        "rclone is killed in each phase",
        arguments: ["cat", "copy", "cryptdecode", "lsjson"])
    func rcloneKilled(phase: String) throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try fill(archive)
            try archive.addRemote(remote, isEncrypted: true)
            try archive.unmount()
            // The first two runs of this phase are killed while they run.
            let wrapper = archive.folder.path("rclone")
            try Files.write(
                Array(
                    """
                    #!/bin/bash
                    if [ "$1" = \(phase) ] && [ "$(ls '\(archive.work)' | grep -c killed)" -lt 2 ]
                    then
                        touch "$(mktemp -p '\(archive.work)' killed.XXXX)"
                        rclone "$@" & [ $1 != copy ] || sleep 0.1
                        kill -9 $!; wait $!; exit $?
                    fi
                    exec rclone "$@"

                    """.utf8), to: wrapper)
            chmod(wrapper, 0o755)
            try archive.mustShell(
                "PACSFS_RCLONE='\(wrapper)' \"$PACSFS\" mount \"$M\"")
            for _ in 0..<2 {
                _ = try archive.pacsfs("offsite", "push", timeout: 600)
                try archive.auditRemote()
            }
            try expectWhole(archive)
            #expect(try archive.mustShell("ls | grep -c killed").output == "2\n")
        }
    }

    @Test("The password is another one for a while; nothing is written with it")
    func wrongPassword() throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try fill(archive)
            try archive.addRemote(remote, isEncrypted: true)
            let right = try RemoteSecrets("away", of: archive.archive)
            var wrong = right
            wrong.keys = .generated()
            try wrong.write(in: archive.archive)
            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 2 && push.errors.contains("these keys"), "\(push.report)")
            #expect(try archive.remoteStatus()["state"] as? String == "blocked")
            #expect(try archive.pacsfs("status").output.contains("Nothing is brought to"))
            try right.write(in: archive.archive)
            try expectWhole(archive)
        }
    }

    @Test(
        "The remote is full for a while",
        .enabled(if: geteuid() == 0, "only root can mount a small disk"))
    func full() throws {
        let remote = try TestRemote(.folder)
        let place = remote.folder.path("remote")
        try #require(
            try ProgramRun(["mount", "-t", "tmpfs", "-o", "size=600k", "x", place]).succeeded)
        defer { _ = try? ProgramRun(["umount", "-l", place]) }
        try MountedArchive.with { archive in
            try fill(archive)
            try archive.addRemote(remote)
            let push = try archive.pacsfs("offsite", "push")
            #expect(push.code == 2, "\(push.report)")
            let status = try archive.remoteStatus()
            #expect(status["state"] as? String == "pausing", "\(status)")
            #expect((status["reason"] as? String)?.contains("Make room") == true, "\(status)")
            try archive.auditRemote()
            try #require(
                try ProgramRun(["mount", "-o", "remount,size=900m", place]).succeeded)
            try expectWhole(archive)
        }
    }

    @Test("The connection is cut, and comes back", arguments: [RemoteKind.sftp, .webdav])
    func cut(kind: RemoteKind) throws {
        let remote = try TestRemote(kind)
        try MountedArchive.with { archive in
            try fill(archive)
            try archive.addRemote(remote)
            try limit(archive, "100k")
            try during(archive, remote) { remote.cut() }
            try limit(archive, nil)
            let push = try archive.pacsfs("offsite", "push", timeout: 120)
            #expect(push.code == 2, "\(push.report)")
            #expect(
                try eventually { try archive.remoteStatus()["state"] as? String == "pausing" })
            try remote.reconnect()
            try expectWhole(archive)
        }
    }
}
