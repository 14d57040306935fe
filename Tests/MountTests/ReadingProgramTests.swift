import TestSupport
import Testing

/// Programs that copy, pack, search and process the files in the views, as their users run them.
/// One mount for all of them, in each setting.
@Suite(
    "Programs that process the views", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ReadingProgramTests {
    /// Each is run in the working directory. `$V` is a view, `$M` the mount; the 17 samples are
    /// below `samples`.
    private static let programs: [(name: String, script: String)] = [
        (
            "zip and unzip -t",
            """
            (cd \"$V\"; zip -qr \"$OLDPWD/view.zip\" .); unzip -tq view.zip; unzip -q view.zip \
            -d unzipped; diff -r unzipped \"$V\"
            """
        ),
        (
            "bsdtar",
            """
            bsdtar -C \"$V\" -cf view.pax .; mkdir pax; bsdtar -C pax -xf view.pax; diff -r pax \
            \"$V\"; test \"$(bsdtar -tf view.pax | grep -c dcm$)\" = 17
            """
        ),
        (
            "7z",
            """
            7z a -bso0 -bsp0 view.7z \"$V\"; 7z t -bso0 -bsp0 view.7z; 7z x -bso0 -bsp0 -o7z \
            view.7z; diff -r 7z/by-date \"$V\"
            """
        ),
        (
            "rclone copy and check",
            """
            export HOME=$PWD; unset AWS_CA_BUNDLE; rclone copy -q \"$V\" cloned; rclone check -q \
            --download \"$V\" cloned; diff -r cloned \"$V\"
            """
        ),
        (
            // Git compares size, times, inode, owner and mode of a file to see whether it changed.
            "git add, twice",
            """
            export GIT_DIR=$PWD/repository GIT_WORK_TREE=$V HOME=$PWD
            git init -q; git add -A; test "$(git ls-files | wc -l)" = 17
            # Without a look at the bytes: nothing has another size, time, inode or mode.
            test -z "$(git diff-files)"
            git add -A; test -z "$(git diff-files)"; git fsck --no-progress
            """
        ),
        (
            "find -newer, du and df",
            """
            image=$(find "$V" -type f | head -1)
            touch -d @0 old; touch new
            test "$(find "$V" -type f -newer old | wc -l)" = 17
            test "$(find "$V" -type f -newer new | wc -l)" = 0
            test "$(find "$V" -type f -samefile "$image" | wc -l)" = 1
            test "$(find "$M"/by-* -samefile "$image" | wc -l)" = "$(stat -c %h "$image")"
            bytes=$(find samples -type f -printf '%s\\n' | awk '{ sum += $1 } END { print sum }')
            test "$(du -sc --apparent-size --block-size=1 "$M"/by-* | tail -1 | cut -f1)" = $bytes
            df "$V" >/dev/null; test "$(df --output=fstype "$image" | tail -1)" = fuse.pacsfs
            """
        ),
        (
            "grep -r and file",
            """
            test \"$(grep -rlc 'Smith^Rex' \"$V\" | wc -l)\" = 15; test \"$(find \"$V\" -type f \
            -exec file -b {} + | sort -u)\" = 'DICOM medical imaging data'
            """
        ),
        (
            "pydicom",
            """
            /usr/bin/python3 - <<'END'
            import os, hashlib, pydicom
            from pydicom.uid import generate_uid
            V, I = os.environ['V'], os.environ['I']
            def files(root): return sorted(f'{folder}/{name}' for folder, _, names in \
            os.walk(root) for name in names)
            def read(path):
                dataset = pydicom.dcmread(path)
                return dataset.SOPInstanceUID, hashlib.sha256(dataset.PixelData).hexdigest(), \
            dataset.Rows
            assert sorted(map(read, files(V))) == sorted(map(read, files('samples')))
            # A new image made of an archived one, written as pydicom writes: piece by piece, \
            with seeks.
            dataset = pydicom.dcmread(files(V)[0])
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.SeriesInstanceUID, dataset.SeriesDescription = generate_uid(), 'Made of another'
            dataset.save_as(I + '/new.dcm')
            folders = [folder for folder in map(os.path.dirname, files(V)) if \
            folder.endswith('Made of another')]
            assert len(folders) == 1 and pydicom.dcmread(folders[0] + '/' + \
            os.listdir(folders[0])[0]) == dataset
            END
            """
        ),
        (
            "many open files while images arrive",
            """
            python3 - <<'END'
            import os
            M, I = os.environ['M'], os.environ['I']
            # Without incoming, where names go.
            views = [e.path for e in os.scandir(M) if e.name.startswith('by-')]
            images = [f + '/' + n for v in views for f, _, names in os.walk(v) for n in names if \
            n.endswith('.dcm')]
            assert len(images) > 100, len(images)
            held = [open(p, 'rb') for p in images * 5]
            first = [h.read(128) for h in held]
            for number in (1, 2, 3):
                data = open(f'{number}.dcm', 'rb').read() + bytes([number, 0])
                with open(f'{I}/new{number}.dcm', 'wb') as file: file.write(data)
            for handle, start in zip(held, first):
                handle.seek(0)
                assert handle.read() == open(handle.name, 'rb').read() and start
            END
            """
        ),
        (
            "inotifywait",
            """
            image=$(find "$V" -type f | head -1)
            inotifywait -m -r --format '%e %f' "$V" >events 2>inotify.log & watch=$!
            until grep -q established inotify.log; do kill -0 $watch; sleep 0.05; done
            cat "$image" >/dev/null
            until grep -q CLOSE_NOWRITE events; do kill -0 $watch; sleep 0.05; done
            kill $watch; grep -q OPEN events; grep -q CLOSE_NOWRITE events
            ! grep -e MODIFY -e CLOSE_WRITE -e DELETE -e ATTRIB events
            """
        ),
    ]

    @Test("Each program reads the archived images, and nothing else", arguments: Setting.allCases)
    func programs(_ setting: Setting) throws {
        try MountedArchive.with(setting) { archive in
            try archive.importSamples()
            try archive.writeImages(3)
            for program in Self.programs {
                let run = try archive.shell(program.script, ["V": archive.mountpoint + "/by-date"])
                #expect(run.succeeded, "\(program.name): \(run.report)")
            }
        }
    }

    @Test(
        "Whatever is listed while images arrive is whole, from before it is opened",
        arguments: Setting.allCases)
    func arriving(_ setting: Setting) throws {
        try MountedArchive.with(setting) { archive in
            try archive.writeSamples()
            // With real files, all odd ones among them, where they are.
            try Corpus.shared?.copyOdd(to: archive.work + "/corpus")
            try archive.handOver()
            // Four writers, 30 images and a quarter of the files each; three readers that never
            // rest.
            try archive.python(
                """
                import hashlib, json, multiprocessing, shutil, time
                source = open(next(f'{f}/{n}' for f, _, names in os.walk('samples') for n in \
                names if n.startswith('SLICE')), 'rb').read()
                uid = source[source.index(b'UI', source.index(bytes([8, 0, 0x18, 0]))) + \
                4:][:source[source.index(bytes([8, 0, 0x18, 0])) + 6]]
                base = uid.rstrip(b'\\0')
                def image(writer, number):
                    # Another UID of the same length, and pixels of another length at the end of \
                the file.
                    other = base[:-6] + b'%d%05d' % (writer + 1, number)
                    return source.replace(base, other) + bytes([252, 255, 252, 255]) + \
                b'OB\\0\\0' + (2 * number).to_bytes(4, 'little') + bytes(2 * number)
                known = {hashlib.sha256(image(w, n)).hexdigest(): len(image(w, n)) for w in \
                range(4) for n in range(30)}
                files = sorted(f'{f}/{n}' for f, _, names in os.walk('corpus') for n in names)
                for path in files: known[hashlib.sha256(open(path, 'rb').read()).hexdigest()] = \
                os.stat(path).st_size
                def write(writer):
                    for number, path in enumerate(files[writer::4]): shutil.copy(path, \
                f'{I}/{writer}-{number}.real')
                    for number in range(30):
                        with open(f'{I}/{writer}-{number}.dcm', 'wb', buffering=4000) as file: \
                file.write(image(writer, number))
                done = multiprocessing.Event()
                def read(reader, count):
                    seen = {}
                    while True:
                        last = done.is_set()
                        for folder, _, names in os.walk(M + ('/by-uid', '/by-date', \
                '/by-patient')[reader]):
                            for name in names:
                                path = folder + '/' + name
                                status = os.stat(path)
                                with open(path, 'rb') as file:
                                    opened, data = os.fstat(file.fileno()), file.read()
                                digest = hashlib.sha256(data).hexdigest()
                                assert known.get(digest) == status.st_size == opened.st_size == \
                len(data), path
                                assert seen.setdefault(path, (digest, status.st_ino, \
                status.st_mtime_ns)) == (digest, status.st_ino, status.st_mtime_ns), path
                        if last: break
                    count.value = len(seen)
                counts = [multiprocessing.Value('i') for _ in range(3)]
                readers = [multiprocessing.Process(target=read, args=(r, counts[r])) for r in \
                range(3)]
                writers = [multiprocessing.Process(target=write, args=(w,)) for w in range(4)]
                for process in readers + writers: process.start()
                for process in writers: process.join()
                done.set()
                for process in readers: process.join()
                assert all(process.exitcode == 0 for process in readers + writers)
                status = json.loads(subprocess.run([os.environ['PACSFS'], 'status', '--json'], \
                capture_output=True).stdout)
                shown = status['instances']
                assert shown > 120 + (100 if files else -1), shown
                # Further versions of an image are shown by UID only.
                assert [count.value for count in counts] == [status['blobs'], shown, shown], \
                [count.value for count in counts]
                """, timeout: 120)
        }
    }
}
