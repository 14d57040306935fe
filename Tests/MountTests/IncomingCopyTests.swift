import Glibc
import Programs
import Testing

/// Copy programs that put files into incoming. What they have copied is archived when they
/// end, without a wait.
@Suite(
    "Programs that copy into incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct IncomingCopyTests {
    /// Commands that copy `1.dcm` into incoming as `a.dcm`.
    private static let copies = [
        "cp 1.dcm \"$I/a.dcm\"",
        "cp -p 1.dcm \"$I/a.dcm\"",
        "cp -a 1.dcm \"$I/a.dcm\"",
        "cp --sparse=always 1.dcm \"$I/a.dcm\"",
        "cp 1.dcm copy.dcm; mv copy.dcm \"$I/a.dcm\"; test ! -e copy.dcm",
        "install -m 600 1.dcm \"$I/a.dcm\"",
        "install -p -m 444 1.dcm \"$I/a.dcm\"",
        "cat 1.dcm >\"$I/a.dcm\"",
        "tee \"$I/a.dcm\" <1.dcm >/dev/null",
        "dd if=1.dcm of=\"$I/a.dcm\" bs=777 status=none",
        "dd if=1.dcm of=\"$I/a.dcm\" bs=64k oflag=direct,sync status=none",
        "dd if=1.dcm of=\"$I/a.dcm\" bs=64k conv=fsync status=none",
        "rsync -a 1.dcm \"$I/a.dcm\"",
        "rsync -a --inplace 1.dcm \"$I/a.dcm\"",
        "rsync -a --partial --delay-updates 1.dcm \"$I/a.dcm\"",
        "cp -p 1.dcm a.dcm; tar -cf - a.dcm | tar -C \"$I\" -xpf -",
        "cp 1.dcm \"$I/a.dcm.part\"; mv \"$I/a.dcm.part\" \"$I/a.dcm\"",
        "cp 1.dcm \"$I/.a.dcm.Xy12Zq\"; mv -n \"$I/.a.dcm.Xy12Zq\" \"$I/a.dcm\"; test ! -e \"$I/.a.dcm.Xy12Zq\"",
        "python3 -c 'import shutil, os; shutil.copy2(\"1.dcm\", os.environ[\"I\"] + \"/a.dcm\")'",
    ]

    @Test("A copy is archived when the program ends, and its name then shows it until it settles")
    func copy() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.mustShell("mv 1.dcm original.dcm")
            for (number, command) in Self.copies.enumerated() {
                // Other bytes each time, so that each has to be archived.
                try archive.mustShell(
                    "rm -f \"$I/a.dcm\"; { cat original.dcm; printf 'copy %04d' $N; } >1.dcm; cp -p 1.dcm kept$N.dcm",
                    ["N": "\(number)"])
                let run = try archive.shell(command)
                #expect(run.succeeded && run.errors.isEmpty && run.output.isEmpty, "\(run.report)")
                try archive.expectArchived("\(archive.work)/kept\(number).dcm")
                let shown = try archive.shell(
                    "cmp kept$N.dcm \"$I/a.dcm\"; test \"$(ls -A \"$I\")\" = a.dcm", ["N": "\(number)"])
                #expect(shown.succeeded, "\(command)\n\(shown.report)")
            }
            try archive.settled()
            let status = try archive.status()
            #expect((status.instances, status.rejected) == (Self.copies.count, 0))
            for number in Self.copies.indices { try archive.expectArchived("\(archive.work)/kept\(number).dcm") }
        }
    }

    @Test("Times and modes that a copy program sets are shown until the name settles")
    func attributes() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.mustShell(
                """
                touch -d '2021-03-04 05:06:07' 1.dcm; chmod 640 1.dcm
                for how in 'cp -p' 'cp -a' 'rsync -a'; do
                    $how 1.dcm "$I/a.dcm"
                    test "$(stat -c '%Y %a %s %u' "$I/a.dcm")" = "$(stat -c '%Y %a %s %u' 1.dcm)"
                    chmod 600 "$I/a.dcm"
                    touch -d '2022-01-01' "$I/a.dcm"
                    chown 0:0 "$I/a.dcm" 2>/dev/null || test "$(id -u)" != 0
                    test "$(stat -c '%y %a' "$I/a.dcm" | cut -c1-10,30-)" = "2022-01-01$(stat -c ' %y' "$I/a.dcm" | cut -c31-) 600"
                done
                """)
            // A blob keeps its own.
            let blob = try archive.mustShell("find ../volume1/blobs -type f -printf '%m '")
            #expect(blob.output == "444 ")
        }
    }

    /// A command that copies the folder `samples` into incoming.
    private static let folderCopies = [
        "cp -r samples \"$I/\"", "rsync -a samples \"$I/\"", "tar -cf - samples | tar -C \"$I\" -xpf -",
        "mv samples \"$I/\"",
        "cp -r samples \"$I/\" & one=$!; cp -a samples \"$I/again\" & two=$!; wait $one; wait $two",
    ]

    @Test("A folder is archived when the program ends, and is gone from incoming some seconds later", arguments: folderCopies)
    func folder(_ command: String) throws {
        try MountedArchive.with { archive in
            let samples = try archive.writeSamples()
            try archive.mustShell("cp -a samples kept; chmod 750 samples; touch -d '2020-02-02' samples/*")
            let run = try archive.mustShell(command)
            #expect(run.errors.isEmpty, "\(run.report)")
            #expect(try archive.status().instances == samples.count)
            try archive.settled()
            let status = try archive.status()
            #expect((status.instances, status.rejected, status.incoming.pending) == (17, 0, 0))
            for sample in samples { try archive.expectArchived(sample.replacing("/samples/", with: "/kept/")) }
        }
    }

    @Test("rsync into incoming transfers nothing again while the names are there")
    func rsyncAgain() throws {
        try MountedArchive.with { archive in
            try archive.writeImages(3)
            let run = try archive.mustShell(
                """
                rsync -a *.dcm "$I/"
                rsync -a --itemize-changes *.dcm "$I/"
                """)
            #expect(run.output.isEmpty, "\(run.report)")
        }
    }

    @Test("dd in blocks from the last to the first, each by itself, makes one image")
    func blocks() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            let image = archive.work + "/1.dcm"
            try archive.mustShell(
                """
                for block in $(seq $(( ($(stat -c %s 1.dcm) - 1) / 10000 )) -1 0); do
                    dd if=1.dcm of="$I/a.dcm" bs=10000 skip=$block seek=$block count=1 conv=notrunc status=none
                done
                """)
            try archive.expectArchived(image)
            #expect(try archive.status().instances == 1)
            try archive.settled()
            #expect(try archive.status().rejected == 0)
        }
    }

    @Test("The same image from eight programs at once is archived once, and all of them succeed")
    func sameAtOnce() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.mustShell("seq 8 | xargs -P 8 -I{} cp 1.dcm \"$I/{}.dcm\"")
            try archive.expectArchived(archive.work + "/1.dcm")
            #expect(try archive.status().instances == 1)
            let ledger = try LedgerVerdict(volume: archive.volumes[0])
            #expect((ledger.kinds["ingest"], ledger.kinds["duplicate"], ledger.fault) == (1, 7, nil))
        }
    }

    @Test("Any user may put images into incoming and read what is archived", .enabled(if: getuid() == 0, "only root can become another user"))
    func otherUser() throws {
        try MountedArchive.with { archive in
            try archive.writeImages(2)
            try archive.mustShell(
                """
                chmod 755 .. .
                as="setpriv --reuid=65534 --regid=65534 --clear-groups"
                $as cp 1.dcm "$I/a.dcm"
                test "$(stat -c %u "$I/a.dcm")" = 65534
                $as cmp 1.dcm "$I/a.dcm"
                $as cmp 1.dcm "$M"/by-uid/*/*/*.dcm
                $as chmod 600 "$I/a.dcm"
                $as mkdir "$I/own"
                $as cp -p 2.dcm "$I/own/"
                test "$(find "$M/by-uid" -type f | wc -l)" = 2
                fails $as rm -f "$M"/by-uid/*/*/*.dcm 2>errors
                grep -Eq 'Read-only file system|Permission denied' errors
                """)
            try archive.settled()
        }
    }
}
