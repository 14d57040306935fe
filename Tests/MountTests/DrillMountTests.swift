import Foundation
import OffsiteSupport
import TestSupport
import Testing

/// Drills by a daemon that has other things to do.
@Suite(
    "Drills of a mounted archive", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct DrillMountTests {
    /// Mounts with an rclone that notes how it was called, and waits in copies from the remote
    /// while there is a file `slow`.
    private func mount(_ archive: MountedArchive, _ remote: TestRemote) throws {
        let wrapper = archive.folder.path("rclone")
        try Files.write(
            Array(
                """
                #!/bin/bash
                echo "$@" >>'\(archive.work)/calls'
                if [[ $1 = copy && " $* " = *staging/drill* && -e '\(archive.work)/slow' ]]; then
                    touch '\(archive.work)/waiting'
                    exec sleep 600
                fi
                exec rclone "$@"

                """.utf8), to: wrapper)
        chmod(wrapper, 0o755)
        try archive.mustShell("PACSFS_RCLONE='\(wrapper)' \"$PACSFS\" mount \"$M\"")
    }

    /// Calls `body` with a mounted archive of which everything is on a remote.
    private func withPushed(_ body: (MountedArchive, TestRemote) throws -> Void) throws {
        let remote = try TestRemote(.folder)
        try MountedArchive.with { archive in
            try archive.importSeries(1...3)
            try archive.addRemote(remote)
            #expect(try archive.pacsfs("offsite", "push").succeeded)
            try body(archive, remote)
        }
    }

    @Test("A daemon that is stopped in a drill ends at once, and reports nothing; later it passes")
    func stopped() throws {
        try withPushed { archive, remote in
            try archive.unmount()
            try archive.configure { $0 + "\n[offsite.away]\nbandwidth = \"5M\"\n" }
            try mount(archive, remote)
            try archive.mustShell(
                """
                touch slow
                "$PACSFS" drill away >out 2>&1 & drill=$!
                until test -e waiting; do sleep 0.05; done
                timeout 20 "$PACSFS" unmount "$M"
                fails wait $drill
                rm slow waiting
                """)
            #expect(!Files.exists(archive.archive + "/drills"))
            for volume in archive.volumes { #expect(!Files.exists(volume + "/staging/drill")) }
            try mount(archive, remote)
            #expect(try archive.pacsfs("status").output.contains("not yet"))
            let drill = try archive.pacsfs("drill", "away")
            #expect(drill.succeeded, "\(drill.report)")
            // At the rate that pacsfs.toml gives to the remote.
            try archive.mustShell(
                """
                grep staging/drill calls | grep ^copy >copies
                test -s copies; fails grep -v -e '--bwlimit 4882k' copies
                """)
        }
    }

    @Test("A drill while images are brought there passes, and so does the push")
    func duringPush() throws {
        try withPushed { archive, _ in
            try archive.configure { $0 + "\n[offsite.away]\nbandwidth = \"300k\"\n" }
            #expect(try archive.pacsfs("reload").succeeded)
            try archive.importSeries(10...29, pixels: 128)
            try archive.mustShell(
                """
                "$PACSFS" offsite push >out 2>&1 & push=$!
                sleep 1; kill -0 $push
                "$PACSFS" drill away
                wait $push
                """, timeout: 120)
            let status = try archive.remoteStatus()
            #expect(status["images_waiting"] as? Int == 0, "\(status)")
            #expect(try archive.auditRemote().count == 46)
            #expect(try archive.pacsfs("drill", "--full", "away", timeout: 120).succeeded)
        }
    }
}
