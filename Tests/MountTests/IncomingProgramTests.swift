import TestSupport
import Testing

/// Other programs for incoming than copy programs: archivers, transfers over a network, file
/// managers, and the things people do when something went wrong. All tests use the same
/// archives, one in each setting.
@Suite(
    "Programs around incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount), .sharedArchives())
struct IncomingProgramTests {
    /// Commands that unpack or copy the folder `samples` into incoming.
    private static let ways = [
        "zip -qr s.zip samples; unzip -q s.zip -d \"$I\"", "7z x -aoa -bso0 -bsp0 -o\"$I\" s.zip",
        "bsdtar -cf s.tar samples; bsdtar -xpf s.tar -C \"$I\"", "rsync -aH samples \"$I/\"",
        "cp s.zip \"$I/\"", "cp s.zip \"$I/s.part\"; mv \"$I/s.part\" \"$I/images.zip\"",
        "zip -qr \"$I/direct.zip\" samples",
    ]

    @Test(
        "Archivers unpack into incoming, and zip archives are unpacked in it; nothing is rejected",
        arguments: Setting.allCases)
    func archivers(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let samples = try archive.writeSamples(markedWith: "archivers")
        for way in Self.ways {
            let run = try archive.mustShell(way)
            #expect(run.errors.isEmpty, "\(run.report)")
            #expect(try archive.status().instances == before.instances + samples.count, "\(way)")
        }
        for sample in samples { try archive.expectArchived(sample) }
        // And the other way, out of a view.
        try archive.mustShell(
            """
            cd "$M/by-patient"; zip -qr ../../work/view.zip .; cd - >/dev/null
            unzip -tqq view.zip; mkdir out; bsdtar -xf view.zip -C out; diff -r out "$M/by-patient"
            """)
        try archive.settled()
        let status = try archive.status()
        #expect((status.rejected, status.incoming.pending) == (before.rejected, 0))
    }

    @Test(
        """
        A disc with a viewer, in a zip archive too; rejected files say why, and moving them back \
        tries again
        """,
        arguments: Setting.allCases)
    func discs(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let images = try archive.writeImages(3, markedWith: "discs")
        try archive.mustShell(
            """
            mkdir -p disc/DICOM disc/VIEWER; cp 1.dcm disc/DICOM/IM1; cp 2.dcm disc/DICOM/IM2
            printf '[autorun]\\r\\nopen=viewer.exe\\r\\n' >disc/AUTORUN.INF; head -c 9000 \
            /dev/urandom >disc/VIEWER/viewer.exe
            : >disc/VIEWER/empty.log; echo '<html>' >disc/index.html
            cp -r disc "$I/"
            grep -q 'Will be set aside' <(getfattr --only-values -n user.pacsfs.reason \
            "$I/disc/index.html")
            (cd disc && zip -qr ../disc.zip .); cp disc.zip "$I/"
            python3 - <<'END'
            import zipfile
            with zipfile.ZipFile('evil.zip', 'w') as file:
                file.write('3.dcm', 'good.dcm'); file.write('3.dcm', '../../evil.dcm')
            END
            cp evil.zip "$I/"
            cp 3.dcm "$I/half.part"; grep -q 'when it is renamed' <(getfattr --only-values -n \
            user.pacsfs.reason "$I/half.part"); rm "$I/half.part"
            """)
        for image in images.prefix(2) { try archive.expectArchived(image) }
        try archive.settled()
        try archive.expectUnknown(images[2])
        #expect(try archive.status().instances == before.instances + 2)
        try archive.mustShell(
            """
            cd "$(dirname "$M"/rejected/*/evil.zip)"
            find disc disc.zip evil.zip -type f ! -name '*.reason.txt' | sort >"$OLDPWD/found"
            grep -q 'evil.dcm leads out' evil.zip.reason.txt
            grep -q 'leads out' <(getfattr --only-values -n user.pacsfs.reason evil.zip)
            cmp evil.zip "$OLDPWD/evil.zip"
            """)
        let found = try Files.text(archive.work + "/found").split(separator: "\n")
        #expect(
            found == [
                "disc.zip/AUTORUN.INF", "disc.zip/VIEWER/empty.log", "disc.zip/VIEWER/viewer.exe",
                "disc.zip/index.html",
                "disc/AUTORUN.INF", "disc/VIEWER/empty.log", "disc/VIEWER/viewer.exe",
                "disc/index.html", "evil.zip",
            ])
        // A truncated copy is the only one: the user looks at it and moves it back.
        try archive.keepNames()
        try archive.mustShell(
            """
            D=$(dirname "$M"/rejected/*/evil.zip)
            fails touch "$D/new" 2>errors; fails rm -f "$D/evil.zip" 2>>errors; fails mv \
            "$D/evil.zip" "$D/other" 2>>errors
            test "$(grep -c 'Read-only file system' errors)" = 3
            mv "$D/evil.zip" "$I/"; cmp evil.zip "$I/evil.zip"; test ! -e "$D/evil.zip"
            mv "$D/disc" "$I/again"
            """)
        try archive.settled()
        // They are not better than before.
        try archive.mustShell(
            """
            test -e \"$M\"/rejected/*/evil.zip; test -e \"$M\"/rejected/*/again/index.html; test \
            ! -e \"$M\"/rejected/*/disc
            """
        )
    }

    @Test(
        """
        A copy that is interrupted with Ctrl-C, or killed, is rejected and never shown; moved \
        back it is archived
        """,
        arguments: Setting.allCases)
    func interrupted(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        try archive.writeImages(markedWith: "interrupted")
        try archive.python(
            """
            import signal, time
            with open('1.dcm', 'rb') as file: data = file.read()
            for number, ending in ((0, signal.SIGINT), (1, signal.SIGKILL)):
                # The program stops when the pipe is empty, in the middle of the file.
                name = f'{I}/half{number}.dcm'
                copy = subprocess.Popen(['cp', '/dev/stdin', name], stdin=subprocess.PIPE)
                copy.stdin.write(data[:-100 - number]); copy.stdin.flush()
                while not os.path.exists(name) or os.stat(name).st_size < len(data) - 100 - \
            number: time.sleep(0.01)
                copy.send_signal(ending)
                assert copy.wait() == -ending
            assert 'ended before it closed' in os.getxattr(f'{I}/half0.dcm', \
            'user.pacsfs.reason').decode()
            """)
        #expect(try archive.status().instances == before.instances)
        try archive.settled()
        #expect(try archive.status().instances == before.instances)
        try archive.mustShell(
            """
            cd "$(dirname "$M"/rejected/*/half0.dcm)"; grep -q interrupted half0.dcm.reason.txt \
            half1.dcm.reason.txt
            cmp half0.dcm <(head -c -100 "$OLDPWD/1.dcm")
            mv half* "$I/"
            """)
        #expect(try archive.status().instances == before.instances + 2)
        try archive.settled()
        try archive.mustShell("test -z \"$(find \"$M/rejected\" -name 'half*')\"")
        #expect(try archive.status().rejected == before.rejected)
    }

    @Test(
        """
        A program of several threads that ends without closing is not taken for killed; nor is \
        one whose child was
        """,
        arguments: Setting.allCases)
    func endings(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let images = try archive.writeImages(2, markedWith: "endings")
        try archive.python(
            """
            import signal
            ends = '''
            import os, sys, threading, time
            for _ in range(4): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
            with open('1.dcm', 'rb') as image: os.write(file, image.read())
            os._exit(0)
            '''
            subprocess.run([sys.executable, '-c', ends, f'{I}/1.dcm'], check=True)
            # Its child writes, and is killed before it can close.
            file = os.open(f'{I}/2.dcm', os.O_WRONLY | os.O_CREAT)
            child = subprocess.Popen(
                [sys.executable, '-c', 'import os, time; os.write(1, open("2.dcm", \
            "rb").read()); time.sleep(60)'], stdout=file)
            import time
            while os.fstat(file).st_size < os.stat('2.dcm').st_size: time.sleep(0.01)
            child.send_signal(signal.SIGTERM)
            assert child.wait() == -signal.SIGTERM
            while b'ended before' not in os.getxattr(f'{I}/2.dcm', 'user.pacsfs.reason'): \
            time.sleep(0.01)
            os.close(file)
            """)
        for image in images { try archive.expectArchived(image) }
        try archive.settled()
        #expect(try archive.status().rejected == before.rejected)
    }

    @Test(
        "Programs that write the same name at once, a file manager's way, and one that watches",
        arguments: Setting.allCases)
    func together(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let images = try archive.writeImages(4, markedWith: "together")
        try archive.mustShell(
            """
            inotifywait -m --format '%e %f' "$I" >events 2>inotify.log & watcher=$!
            trap 'kill $watcher 2>/dev/null || true' EXIT
            until grep -q established inotify.log; do kill -0 $watcher; sleep 0.05; done
            rsync -a 1.dcm "$I/same.dcm" & one=$!; rsync -a 2.dcm "$I/same.dcm" & two=$!; wait \
            $one; wait $two
            cmp -s 1.dcm "$I/same.dcm" || cmp 2.dcm "$I/same.dcm"
            : >"$I/finder.dcm"; printf '\\0\\5\\26\\7' >"$I/._finder.dcm"
            cat 3.dcm >"$I/finder.dcm"
            for n in 1 2 3; do cat 1.dcm >"$I/cat.dcm" & one=$!; cat 1.dcm >"$I/cat.dcm" & \
            two=$!; wait $one; wait $two; done
            cp 4.dcm "$I/"
            for step in {1..600}; do grep -q 'CLOSE_WRITE.* 4.dcm' events && break; sleep 0.1; done
            grep -q 'CREATE 4.dcm' events
            grep -q 'CLOSE_WRITE.* finder.dcm' events
            grep -q 'MOVED_TO same.dcm' events
            """)
        for image in images { try archive.expectArchived(image) }
        try archive.settled()
        #expect(try archive.status().rejected == before.rejected)
        #expect(try archive.pacsfs("verify").succeeded)
    }

    @Test(
        "scp and sftp put images into incoming, and get images from a view",
        .enabled(if: SecureShell.isInstalled, SecureShell.isAbsent), arguments: Setting.allCases)
    func secureShell(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let images = try archive.writeImages(2, markedWith: "secureShell")
        try archive.mustShell(
            SecureShell.start + """
                scp -q -p -F ssh/client 1.dcm "archive:$I/scp.dcm"
                cmp 1.dcm "$I/scp.dcm"
                echo "put 2.dcm \\"$I/sftp.dcm\\"" | sftp -q -b - -F ssh/client archive >/dev/null
                cmp 2.dcm "$I/sftp.dcm"
                scp -q -r -F ssh/client "archive:$M/by-id" got-by-scp
                echo "get -r \\"$M/by-id\\" got-by-sftp" | sftp -q -b - -F ssh/client archive \
                >/dev/null
                for got in got-by-scp got-by-sftp; do diff -r $got "$M/by-id"; done
                """)
        for image in images { try archive.expectArchived(image) }
        try archive.settled()
        #expect(try archive.status().rejected == before.rejected)
    }
}
