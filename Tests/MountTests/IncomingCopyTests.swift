import Glibc
import TestSupport
import Testing

/// Copy programs that put files into incoming. The files are archived when the programs end,
/// without a wait. All tests use the same archives, one in each setting.
@Suite(
    "Programs that copy into incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount), .sharedArchives())
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
        """
        cp 1.dcm \"$I/.a.dcm.Xy12Zq\"; mv -n \"$I/.a.dcm.Xy12Zq\" \"$I/a.dcm\"; test ! -e \
        \"$I/.a.dcm.Xy12Zq\"
        """,
        "python3 -c 'import shutil, os; shutil.copy2(\"1.dcm\", os.environ[\"I\"] + \"/a.dcm\")'",
    ]

    @Test(
        "A copy is archived when the program ends, and its name then shows it until it settles",
        arguments: Setting.allCases)
    func copy(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        try archive.writeImages()
        try archive.mustShell("mv 1.dcm original.dcm")
        for (number, command) in Self.copies.enumerated() {
            // Other bytes each time, so that each has to be archived.
            try archive.mustShell(
                """
                rm -f \"$I/a.dcm\"; { cat original.dcm; printf 'copy %04d' $N; } >1.dcm; cp -p \
                1.dcm kept$N.dcm
                """,
                ["N": "\(number)"])
            // At once: on a busy machine another program may begin when the name has settled.
            let run = try archive.shell(
                """
                { \(command); } >said 2>&1 || { cat said; exit 1; }
                cmp kept$N.dcm "$I/a.dcm"; test "$(ls -A "$I")" = a.dcm
                cat said
                """, ["N": "\(number)"])
            #expect(
                run.succeeded && run.errors.isEmpty && run.output.isEmpty,
                "\(command)\n\(run.report)")
            try archive.expectArchived("\(archive.work)/kept\(number).dcm")
        }
        try archive.settled()
        let status = try archive.status()
        #expect(
            (status.instances, status.rejected) == (
                before.instances + Self.copies.count, before.rejected
            ))
        for number in Self.copies.indices {
            try archive.expectArchived("\(archive.work)/kept\(number).dcm")
        }
    }

    @Test(
        "Times and modes that a copy program sets are shown until the name settles",
        arguments: Setting.allCases)
    func attributes(_ setting: Setting) throws {
        let (archive, _) = try SharedArchives.begin(setting)
        try archive.writeImages(markedWith: "attributes")
        try archive.mustShell(
            """
            touch -d '2021-03-04 05:06:07' 1.dcm; chmod 640 1.dcm
            for how in 'cp -p' 'cp -a' 'rsync -a'; do
                $how 1.dcm "$I/a.dcm"
                test "$(stat -c '%Y %a %s %u' "$I/a.dcm")" = "$(stat -c '%Y %a %s %u' 1.dcm)"
                chmod 600 "$I/a.dcm"
                touch -d '2022-01-01' "$I/a.dcm"
                chown 0:0 "$I/a.dcm" 2>/dev/null || test "$(id -u)" != 0
                test "$(stat -c '%y %a' "$I/a.dcm" | cut -c1-10,30-)" = "2022-01-01$(stat -c ' \
            %y' "$I/a.dcm" | cut -c31-) 600"
            done
            """)
        // A blob keeps its own.
        let blobs = try archive.mustShell("find ../volume1/blobs -type f -printf '%m\\n' | sort -u")
        #expect(blobs.lines == ["444"])
    }

    /// Commands that copy the folder `samples` into incoming.
    private static let folderCopies = [
        "cp -r samples \"$I/$N\"", "rsync -a samples/ \"$I/$N\"",
        "mkdir \"$I/$N\"; tar -cf - samples | tar -C \"$I/$N\" -xpf -",
        "mv samples \"$I/$N\"",
        """
        cp -r samples \"$I/$N\" & one=$!; cp -a samples \"$I/again\" & two=$!; wait $one; wait \
        $two
        """,
    ]

    @Test(
        "A folder is archived when the program ends, and is gone from incoming some seconds later",
        arguments: Setting.allCases)
    func folder(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        for (number, command) in Self.folderCopies.enumerated() {
            try archive.mustShell("rm -rf samples")
            try archive.writeSamples(markedWith: "folder \(number)")
            try archive.mustShell(
                "cp -a samples kept\(number); chmod 750 samples; touch -d '2020-02-02' samples/*")
            let run = try archive.mustShell(command, ["N": "\(number)"])
            #expect(run.errors.isEmpty, "\(run.report)")
            #expect(
                try archive.status().instances == before.instances + 17 * (number + 1), "\(command)"
            )
        }
        try archive.settled()
        let status = try archive.status()
        #expect(
            (status.instances, status.rejected, status.incoming.pending) == (
                before.instances + 17 * 5, before.rejected, 0
            ))
        for number in Self.folderCopies.indices { try archive.expectSeen(below: "kept\(number)") }
    }

    @Test(
        "rsync into incoming transfers nothing again while the names are there",
        arguments: Setting.allCases)
    func rsyncAgain(_ setting: Setting) throws {
        let (archive, _) = try SharedArchives.begin(setting)
        try archive.writeImages(3, markedWith: "rsync")
        let run = try archive.mustShell(
            """
            rsync -a [1-3].dcm "$I/"
            rsync -a --itemize-changes [1-3].dcm "$I/"
            """)
        #expect(run.output.isEmpty, "\(run.report)")
    }

    @Test(
        "dd in blocks from the last to the first, each by itself, makes one image",
        arguments: Setting.allCases)
    func blocks(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        try archive.writeImages(markedWith: "blocks")
        let image = archive.work + "/1.dcm"
        try archive.mustShell(
            """
            for block in $(seq $(( ($(stat -c %s 1.dcm) - 1) / 10000 )) -1 0); do
                dd if=1.dcm of="$I/a.dcm" bs=10000 skip=$block seek=$block count=1 conv=notrunc \
            status=none
            done
            """)
        try archive.expectArchived(image)
        #expect(try archive.status().instances == before.instances + 1)
        try archive.settled()
        #expect(try archive.status().rejected == before.rejected)
    }

    @Test(
        "The same image from eight programs at once is archived once, and all of them succeed",
        arguments: Setting.allCases)
    func sameAtOnce(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let earlier = try LedgerVerdict(volume: archive.volumes[0])
        try archive.writeImages(markedWith: "at once")
        try archive.mustShell("seq 8 | xargs -P 8 -I{} cp 1.dcm \"$I/{}.dcm\"")
        try archive.expectArchived(archive.work + "/1.dcm")
        #expect(try archive.status().instances == before.instances + 1)
        let ledger = try LedgerVerdict(volume: archive.volumes[0])
        let (ingested, repeated) = (
            ledger.kinds["ingest", default: 0], ledger.kinds["duplicate", default: 0]
        )
        #expect(ingested - earlier.kinds["ingest", default: 0] == 1 && ledger.fault == nil)
        #expect(repeated - earlier.kinds["duplicate", default: 0] == 7)
    }

    @Test(
        "Any user may put images into incoming and read archived images",
        .enabled(if: getuid() == 0, "only root can become another user"),
        arguments: [Setting.rootPassthrough, .rootCached])
    func otherUser(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        try archive.writeImages(2, markedWith: "other user")
        try archive.mustShell(
            """
            chmod 755 .. .; chmod 644 [12].dcm
            as="setpriv --reuid=65534 --regid=65534 --clear-groups"
            $as cp 1.dcm "$I/a.dcm"
            test "$(stat -c %u "$I/a.dcm")" = 65534
            $as cmp 1.dcm "$I/a.dcm"
            image=$($as find "$M/by-uid" -type f -exec cmp -s 1.dcm {} \\; -print); test -n "$image"
            $as chmod 600 "$I/a.dcm"
            $as mkdir "$I/own"
            $as cp -p 2.dcm "$I/own/"
            fails $as rm -f "$image" 2>errors
            grep -Eq 'Read-only file system|Permission denied' errors
            """)
        #expect(try archive.status().instances == before.instances + 2)
        try archive.settled()
    }
}
