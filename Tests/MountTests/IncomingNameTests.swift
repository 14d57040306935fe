import TestSupport
import Testing

/// Names in incoming: which wait, which vanish, which are rejected.
@Suite(
    "Names in incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct IncomingNameTests {
    private static let temporary = ["a.dcm.part", "a.tmp", ".a.dcm.x1Y2z3", ".~a.dcm", "~$a.dcm"]

    @Test("A temporary name waits for its rename, and is archived before the rename returns")
    func temporaryName() throws {
        try MountedArchive.with { archive in
            let images = try archive.writeImages(Self.temporary.count + 1)
            for (image, name) in zip(images, Self.temporary) {
                try archive.mustShell("cp \"$F\" \"$I/$NAME\"", ["F": image, "NAME": name])
            }
            #expect(try archive.status().incoming.pending == Self.temporary.count)
            // Another name that was written later is gone before anything became of these.
            try archive.mustShell("cp \"$F\" \"$I/other.dcm\"", ["F": images[Self.temporary.count]])
            #expect(eventually { !Files.exists(archive.incoming + "/other.dcm") })
            for (number, name) in Self.temporary.enumerated() {
                let image = images[number]
                try archive.expectUnknown(image)
                try archive.mustShell("cmp \"$F\" \"$I/$NAME\"", ["F": image, "NAME": name])
                try archive.mustShell(
                    "mv -T \"$I/$NAME\" \"$I/$N.dcm\"", ["N": "\(number)", "NAME": name])
                try archive.expectArchived(image)
            }
            try archive.settled()
            let status = try archive.status()
            #expect(
                (status.instances, status.rejected, status.incoming.pending) == (images.count, 0, 0)
            )
        }
    }

    @Test("Files move within incoming, between its folders too, and folders as a whole")
    func rename() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages(3)
            try archive.mustShell(
                """
                mkdir -p "$I/one/two" "$I/other"
                cp 1.dcm "$I/one/a.part"; mv "$I/one/a.part" "$I/other/a.dcm"
                cp 2.dcm "$I/one/two/b.dcm"; mv "$I/one" "$I/moved"
                cmp 2.dcm "$I/moved/two/b.dcm"
                cp 3.dcm "$I/moved/c.dcm"
                mv -f "$I/moved/c.dcm" "$I/moved/two/b.dcm"
                cmp 3.dcm "$I/moved/two/b.dcm"
                test ! -e "$I/one" && test ! -e "$I/moved/c.dcm"
                """)
            for image in 1...3 { try archive.expectArchived("\(archive.work)/\(image).dcm") }
            try archive.python(
                """
                os.mkdir(I + '/third')
                open(I + '/third/a.part', 'wb').write(b'x')
                try: os.link(I + '/third/a.part', I + '/third/hard')
                except OSError as error: assert error.errno == 1, error
                else: assert False
                try: os.rename(I + '/third', I + '/third/below')
                except OSError as error: assert error.errno == 22, error
                else: assert False
                os.unlink(I + '/third/a.part')
                os.rmdir(I + '/third')
                """)
            try archive.settled()
        }
    }

    @Test("rename without replacing refuses a name that is taken")
    func renameNoReplace() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages(2)
            try archive.python(
                """
                import ctypes, errno
                libc = ctypes.CDLL(None, use_errno=True)
                for n in (1, 2):
                    with open(f'{I}/{n}.dcm', 'wb') as file: file.write(open(f'{n}.dcm', \
                'rb').read())
                def rename(flags):
                    result = libc.renameat2(-100, (I + '/1.dcm').encode(), -100, (I + \
                '/2.dcm').encode(), flags)
                    return 0 if result == 0 else ctypes.get_errno()
                assert rename(1) == errno.EEXIST
                assert rename(2) == errno.EINVAL
                assert sorted(os.listdir(I)) == ['1.dcm', '2.dcm']
                """)
            for image in 1...2 { try archive.expectArchived("\(archive.work)/\(image).dcm") }
        }
    }

    @Test("Folders are made and removed as on a disk, and those that held images vanish")
    func folders() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell(
                """
                mkdir "$I/a"; mkdir -p "$I/b/c/d"
                fails mkdir "$I/a" 2>errors; grep -q 'File exists' errors
                fails rmdir "$I/b" 2>errors; grep -q 'Directory not empty' errors
                rmdir "$I/a"; test ! -e "$I/a"
                cp 1.dcm "$I/b/c/d/"
                test "$(find "$I" -type d | wc -l)" = 4
                fails rmdir "$I/b/c/d" 2>errors; grep -q 'Directory not empty' errors
                fails rm "$I/b" 2>errors; grep -q 'Is a directory' errors
                fails cat "$I/b" 2>errors; grep -q 'Is a directory' errors
                """)
            try archive.settled()
            try archive.expectArchived(archive.work + "/1.dcm")
            try archive.keepNames()
            try archive.mustShell(
                "mkdir \"$I/e\"; cp 1.dcm \"$I/e/\"; rm -r \"$I/e\"; test ! -e \"$I/e\"")
        }
    }

    @Test("Files that other systems leave everywhere vanish quietly")
    func junk() throws {
        try MountedArchive.with { archive in
            try archive.mustShell(
                """
                mkdir "$I/disc"
                for name in Thumbs.db .DS_Store ._x desktop.ini THUMBS.DB; do
                    head -c 500 /dev/urandom >"$I/disc/$name"
                done
                : >"$I/disc/._empty"
                """)
            try archive.settled()
            let status = try archive.status()
            #expect((status.instances, status.rejected) == (0, 0))
            #expect(try archive.mustShell("find \"$M/rejected\" -type f").output.isEmpty)
        }
    }

    @Test(
        "A text and an empty file are rejected with a reason, each under its path; close succeeds")
    func noImages() throws {
        try MountedArchive.with { archive in
            let run = try archive.mustShell(
                """
                mkdir -p "$I/from disc/docs"
                echo 'Read me first' >"$I/from disc/docs/LIESMICH.TXT"
                : >"$I/from disc/empty.dcm"
                """)
            #expect(run.errors.isEmpty)
            try archive.settled()
            let found = try archive.mustShell(
                """
                cd "$M/rejected"/*-*-*
                test "$(basename "$PWD")" = "$(date -u +%F)"
                test "$(cat 'from disc/docs/LIESMICH.TXT')" = 'Read me first'
                grep -i 'not a DICOM file' 'from disc/docs/LIESMICH.TXT.reason.txt'
                test ! -s 'from disc/empty.dcm'
                grep -i 'empty' 'from disc/empty.dcm.reason.txt'
                find . -type f | wc -l
                """)
            #expect(found.lines.last == "4")
            let status = try archive.status()
            #expect((status.instances, status.rejected, status.incoming.pending) == (0, 2, 0))
            for volume in archive.volumes {
                let kept = try archive.mustShell(
                    "find \"$V/rejected\" -type f | wc -l", ["V": volume])
                #expect(kept.output == "4\n")
            }
        }
    }

    @Test("Different files that are rejected under one name are all kept")
    func sameNames() throws {
        try MountedArchive.with { archive in
            try archive.mustShell("echo one >\"$I/notes.txt\"")
            try archive.settled()
            try archive.mustShell("echo two >\"$I/notes.txt\"")
            try archive.settled()
            let kept = try archive.mustShell(
                "cat \"$M\"/rejected/*/notes*.txt | grep -cxE 'one|two'")
            #expect(kept.output == "2\n")
        }
    }

    @Test("Names that are not UTF-8, or are hard for shells, are like any others")
    func strangeNames() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            let images = try archive.writeImages(6)
            try archive.python(
                """
                names = [b'R\\xf6ntgen \\xdcbersicht.dcm', b'a\\nb.dcm', b'-rf', 'Thorax Müller \
                ✓.dcm'.encode(),
                         b'x' * 251 + b'.dcm', b'CON.dcm']
                folder = I.encode() + b'/Ordner \\xe4'
                os.mkdir(folder)
                for number, name in enumerate(names, 1):
                    with open(folder + b'/' + name, 'wb') as file: \
                file.write(open(f'{number}.dcm', 'rb').read())
                assert sorted(os.listdir(folder)) == sorted(names)
                for number, name in enumerate(names, 1):
                    assert open(folder + b'/' + name, 'rb').read() == open(f'{number}.dcm', \
                'rb').read()
                try: open(folder + b'/' + b'y' * 256, 'wb')
                except OSError as error: assert error.errno == 36, error
                else: assert False
                with open(folder + b'/\\xe4.txt', 'wb') as file: file.write(b'no image')
                """)
            for image in images { try archive.expectArchived(image) }
            try archive.settled()
            // A rejected file gets a name that everybody can read.
            try archive.python(
                """
                found = [f for _, _, names in os.walk(M.encode() + b'/rejected') for f in names]
                assert len(found) == 2 and all(name.decode() for name in found), found
                """)
            #expect(try LedgerVerdict(volume: archive.volumes[1]).fault == nil)
        }
    }

    @Test("A name shows the archived bytes until it settles, and goes then while others stay")
    func settling() throws {
        try MountedArchive.with { archive in
            try archive.writeImages(2)
            try archive.mustShell(
                """
                cp 1.dcm "$I/a.dcm"
                exec 5<"$I/a.dcm"
                cp 2.dcm "$I/b.dcm"
                for step in {1..300}; do
                    test -e "$I/b.dcm" || break
                    sleep 0.2
                done
                test ! -e "$I/b.dcm"
                # It is open: nobody takes it away.
                cmp 1.dcm - <&5
                test -e "$I/a.dcm"
                exec 5<&-
                """)
            try archive.settled()
        }
    }
}
