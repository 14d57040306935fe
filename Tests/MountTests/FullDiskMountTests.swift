import TestSupport
import Testing

/// Disks that are full while others are not.
@Suite(
    "Full disks while mounted", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: SmallDisk.isPossible, "mounting needs root"))
struct FullDiskMountTests {
    private func disk(at path: String, megabytes: Int) throws -> SmallDisk {
        _ = try ProgramRun(["mkdir", "-p", path])
        return try SmallDisk(at: path, bytes: megabytes << 20)
    }

    /// 1.dcm to 24.dcm, of about two megabytes each.
    private func writeLargeImages(_ archive: MountedArchive) throws {
        try archive.writeImages()
        try archive.mustShell(
            """
            mv 1.dcm small.dcm
            for n in {1..24}; do { cat small.dcm; head -c 2000000 /dev/urandom; } >$n.dcm; done
            """)
    }

    @Test("The first volume is full: incoming lies where there is room, with what waits in it")
    func firstVolume() throws {
        var disks: [SmallDisk] = []
        defer { for disk in disks { disk.unplug() } }
        try MountedArchive.with(
            minimumCopies: 1,
            prepare: { archive in
                for (path, megabytes) in zip(archive.volumes, [24, 160]) {
                    disks.append(try disk(at: path, megabytes: megabytes))
                }
            }
        ) { archive in
            disks.append(try disk(at: archive.work + "/disk3", megabytes: 160))
            defer { for disk in disks { disk.unplug() } }
            try writeLargeImages(archive)
            // Disks that are full are no disks that are away: nothing is stored once only.
            let filled = try archive.mustShell(
                """
                cp small.dcm "$I/later.dcm.part"
                n=1; while cp $n.dcm "$I/" 2>error; do n=$((n + 1)); done
                grep -q 'No space left' error
                test $(df --output=avail -m "$M" | tail -n 1) -le 2
                { "$PACSFS" status || true; } | head -n 1 | grep 'full'
                echo $n
                """)
            let number = try #require(filled.lines.last.flatMap { Int($0) })
            #expect(number > 3 && number < 12)
            #expect(try archive.health().reasons.allSatisfy { !$0.contains("one copy only") })
            try archive.mustShell("\"$PACSFS\" volume add disk3/v")
            // What df says is what a copy finds.
            try archive.mustShell(
                """
                test $(df --output=avail -m "$M" | tail -n 1) -ge 100
                for n in {12..24}; do cp $n.dcm "$I/"; done
                { "$PACSFS" status || true; } | head -n 1 >first
                if grep -q "are full" first; then cat first; exit 1; fi
                """)
            // What waited there is in incoming as before, and lies with it.
            try archive.mustShell(
                """
                for i in {1..600}; do test -e "$I/later.dcm.part" && break; sleep 0.1; done
                cmp small.dcm "$I/later.dcm.part"
                """)
            #expect(
                eventually(within: 60) {
                    !Files.exists(archive.volumes[0] + "/staging/incoming/later.dcm.part")
                })
            try archive.mustShell("mv \"$I/later.dcm.part\" \"$I/later.dcm\"")
            try archive.mustShell(
                "digest=$(sha256sum <small.dcm); \"$PACSFS\" show \"${digest%% *}\"")
            #expect(try eventually(within: 60) { try archive.health().level == "safe" })
            try archive.unmount()
        }
    }

    @Test(
        "The archive's own disk is full: refused at once, said first, and over when there is room")
    func archiveDisk() throws {
        var disks: [SmallDisk] = []
        defer { for disk in disks { disk.unplug() } }
        try MountedArchive.with(
            minimumCopies: 1,
            prepare: { archive in
                disks.append(try disk(at: archive.archive, megabytes: 24))
            }
        ) { archive in
            defer { for disk in disks { disk.unplug() } }
            try archive.writeImages(3)
            try archive.mustShell("cp 1.dcm \"$I/\"")
            let daemon = archive.daemon
            try archive.mustShell(
                """
                exec 3>"$I/open.dcm"; cat 2.dcm >&3
                cat /dev/zero >"$PACSFS_ARCHIVE/filler" 2>/dev/null || true
                fails cp 3.dcm "$I/" 2>error; grep -q 'No space left' error
                getfattr --only-values -n user.pacsfs.reason "$I" | grep 'the index cannot grow'
                fails "$PACSFS" import 3.dcm
                # What cat closed was archived before.
                for v in ../volume1 ../volume2; do
                    test 2 = $(find $v/blobs -type f | wc -l); test -z "$(ls $v/staging/commit)"
                done
                test 0 = $(df --output=avail "$M" | tail -n 1)
                """)
            let status = try archive.pacsfs("status")
            #expect(
                status.code == 1
                    && status.lines.first?.contains(
                        "New images are refused: the disk of \(archive.archive)") == true,
                "\(status.report)")
            try archive.mustShell("ls \"$M/by-patient\"; cat \"$M\"/by-uid/*/*/* >/dev/null")
            try archive.mustShell(
                """
                rm "$PACSFS_ARCHIVE/filler"; cp 3.dcm "$I/"
                test $(find "$M/by-uid" -type f | wc -l) -ge 2
                """)
            #expect(archive.daemon == daemon)
            #expect(try archive.isWellOnOneDisk() || archive.health().reasons.count == 1)
            try archive.unmount()
        }
    }
}
