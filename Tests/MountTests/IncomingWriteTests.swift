import TestSupport
import Testing

/// Programs that write files of incoming in their own ways.
@Suite(
    "Programs that write in incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct IncomingWriteTests {
    /// Python that writes `data`, the bytes of `1.dcm`, to the file `name`.
    private static let writers = [
        "with open(name, 'wb') as file: file.write(data)",
        // From back to front, through one descriptor.
        """
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        for at in reversed(range(0, len(data), 3333)): os.pwrite(fd, data[at:at + 3333], at)
        os.close(fd)
        """,
        // Too long, then cut; overwritten in the middle; read in between.
        """
        with open(name, 'w+b') as file:
            file.write(bytes(len(data) * 2))
            file.seek(0); file.write(data[:5000]); file.flush()
            file.seek(100); assert file.read(50) == data[100:150]
            file.seek(5000); file.write(data[5000:]); file.truncate()
        """,
        // First the size, then the bytes.
        """
        with open(name, 'wb') as file: file.truncate(len(data))
        with open(name, 'r+b') as file: file.write(data)
        """,
        // An empty file, closed, that is opened again: Finder does that.
        """
        open(name, 'wb').close()
        with open(name, 'ab') as file: file.write(data)
        """,
        // Two descriptors, of which the first is closed early.
        """
        fd = os.open(name, os.O_WRONLY | os.O_CREAT)
        other = os.dup(fd); os.close(fd); os.write(other, data); os.close(other)
        """,
        // Two openings at once.
        """
        with open(name, 'wb') as first, open(name, 'r+b') as second:
            first.write(data[:7000]); first.flush()
            second.seek(7000); second.write(data[7000:])
        """,
        // A child that has the descriptor writes the second half.
        """
        with open(name, 'wb', buffering=0) as file:
            file.write(data[:9000])
            subprocess.run(['tail', '-c', '+9001', '1.dcm'], stdout=file, check=True)
        """,
        // Another program takes the place of the one that writes, and the kernel closes the file.
        """
        if (child := os.fork()) == 0:
            os.write(os.open(name, os.O_WRONLY | os.O_CREAT), data)
            os.execvp('true', ['true'])
        assert os.waitpid(child, 0)[1] == 0
        """,
        // The same of a program with threads: the kernel ends them first, as if they were killed.
        """
        if (child := os.fork()) == 0:
            import threading, time
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            os.write(os.open(name, os.O_WRONLY | os.O_CREAT), data)
            os.execvp('true', ['true'])
        assert os.waitpid(child, 0)[1] == 0
        """,
        "with open(name, 'wb') as file: file.write(data); file.flush(); os.fsync(file.fileno())",
        // Through a memory map.
        """
        with open(name, 'w+b') as file:
            file.truncate(len(data))
            with mmap.mmap(file.fileno(), len(data), access=mmap.ACCESS_WRITE) as map: map[:] = data
        """,
        // Room is taken first.
        """
        fd = os.open(name, os.O_WRONLY | os.O_CREAT)
        os.posix_fallocate(fd, 0, len(data)); os.pwrite(fd, data, 0); os.close(fd)
        """,
        "fd = os.open(name, os.O_WRONLY|os.O_CREAT|os.O_SYNC); os.write(fd, data); os.close(fd)",
    ]

    @Test("A file is archived when the program closes it")
    func write() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell("mv 1.dcm original.dcm")
            for (number, writer) in Self.writers.enumerated() {
                // Other bytes each time, so that each has to be archived.
                let beginning = """
                    data = open('original.dcm', 'rb').read() + b'writer %04d' % \(number)
                    with open('1.dcm', 'wb') as file: file.write(data)
                    name = I + '/\(number).dcm'

                    """
                try archive.python(beginning + writer)
                try archive.expectArchived(archive.work + "/1.dcm")
            }
            try archive.settled()
            #expect(try archive.status().rejected == 0)
            // No half of it was closed, except by the child that had the first one.
            let instances = try archive.status().instances
            #expect((Self.writers.count...Self.writers.count + 1).contains(instances))
        }
    }

    @Test("A shell may write through one descriptor in pieces")
    func redirection() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell(
                """
                exec 3>"$I/a.dcm"
                head -c 1000 1.dcm >&3
                { head -c 6000 1.dcm | tail -c +1001; } >&3
                tail -c +6001 1.dcm >&3
                exec 3>&-
                cmp 1.dcm "$I/a.dcm"
                """)
            try archive.expectArchived(archive.work + "/1.dcm")
        }
    }

    @Test("Bytes written through a memory map after the file was closed are archived as well")
    func mapAfterClose() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.python(
                """
                data = open('1.dcm', 'rb').read()
                file = open(I + '/a.dcm', 'w+b')
                file.truncate(len(data))
                map = mmap.mmap(file.fileno(), len(data))
                file.close()
                map[:] = data
                map.close()
                """)
            // Nobody waits for it: the last close was before.
            try archive.settled()
            try archive.expectArchived(archive.work + "/1.dcm")
        }
    }

    @Test(
        """
        A file that is written again before it settles is archived again, and the first version \
        stays
        """
    )
    func versions() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            // The same image by its UIDs, with other pixels at the end.
            try archive.mustShell(
                """
                head -c -4 1.dcm >second.dcm; printf abcd >>second.dcm
                cp second.dcm third.dcm; printf 'efgh' | dd of=third.dcm bs=1 seek=$(( $(stat -c \
                %s 1.dcm) - 8 )) conv=notrunc status=none
                cp 1.dcm "$I/a.dcm"
                cp second.dcm "$I/a.dcm"
                cmp second.dcm "$I/a.dcm"
                printf 'efgh' | dd of="$I/a.dcm" bs=1 seek=$(( $(stat -c %s 1.dcm) - 8 )) \
                conv=notrunc status=none
                cmp third.dcm "$I/a.dcm"
                """)
            for name in ["1", "second", "third"] {
                try archive.expectArchived("\(archive.work)/\(name).dcm")
            }
            #expect(try archive.status().instances == 3)
            let names = try archive.mustShell(
                "ls \"$M\"/by-uid/*/*/ | wc -l; cmp 1.dcm \"$M\"/by-id/*/*/*/00001.dcm")
            #expect(names.output == "3\n")
        }
    }

    @Test("Appending to an archived file makes a new version and leaves the first as it was")
    func append() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell(
                """
                cp 1.dcm "$I/a.dcm"
                exec 4<"$I/a.dcm"
                head -c 16 /dev/zero >>"$I/a.dcm"
                cmp 1.dcm <(head -c "$(stat -c %s 1.dcm)" <&4) && exec 4<&-
                cp 1.dcm longer.dcm; head -c 16 /dev/zero >>longer.dcm
                cmp longer.dcm "$I/a.dcm"
                """)
            try archive.expectArchived(archive.work + "/1.dcm")
            try archive.expectArchived(archive.work + "/longer.dcm")
        }
    }

    @Test("Truncating or overwriting an archived name never changes the archived image")
    func overwrite() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell(
                """
                cp 1.dcm "$I/a.dcm"; truncate -s 100 "$I/a.dcm"
                cp 1.dcm "$I/b.dcm"; : >"$I/b.dcm"
                cp 1.dcm "$I/c.dcm"; chmod 666 "$I/c.dcm"; head -c 3000 /dev/urandom | dd \
                of="$I/c.dcm" conv=notrunc status=none
                cp 1.dcm "$I/d.dcm"; rm "$I/d.dcm"
                """)
            try archive.python(
                """
                import shutil
                shutil.copy('1.dcm', I + '/e.dcm')
                with open(I + '/e.dcm', 'r+b') as file, mmap.mmap(file.fileno(), 0) as map: \
                map[:4000] = bytes(4000)
                """)
            try archive.expectArchived(archive.work + "/1.dcm")
            try archive.settled()
            try archive.expectArchived(archive.work + "/1.dcm")
            for volume in archive.volumes {
                for (path, digest) in try Files.digests(below: volume + "/blobs") {
                    #expect(path.contains(digest))
                }
            }
        }
    }

    @Test("A file with holes is archived with its zeros")
    func sparse() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell(
                """
                cp 1.dcm sparse.dcm; truncate -s +20M sparse.dcm; printf end >>sparse.dcm
                cp --sparse=always sparse.dcm "$I/"
                """)
            try archive.expectArchived(archive.work + "/sparse.dcm")
        }
    }

    @Test(
        """
        Locks, holes, preallocation and copies within the kernel work; other operations say that \
        they do not
        """
    )
    func besides() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages(2)
            try archive.python(
                """
                import ctypes, errno, fcntl, glob
                libc = ctypes.CDLL(None, use_errno=True)
                data = open('1.dcm', 'rb').read()
                with open(I + '/a.dcm', 'w+b') as file:
                    # Held against other processes.
                    for lock in (fcntl.flock, fcntl.lockf):
                        lock(file, fcntl.LOCK_EX)
                        other = f'import fcntl; fcntl.{lock.__name__}(open("{I}/a.dcm", "r+b"), \
                fcntl.LOCK_EX | fcntl.LOCK_NB)'
                        assert subprocess.run([sys.executable, '-c', other], \
                stderr=subprocess.DEVNULL).returncode == 1
                        lock(file, fcntl.LOCK_UN)
                        assert subprocess.run([sys.executable, '-c', other]).returncode == 0
                    fd = file.fileno()
                    # Room that is kept does not make it longer; a hole is zeros, and is found.
                    def allocate(mode, offset, length):
                        offset, length = ctypes.c_long(offset), ctypes.c_long(length)
                        return 0 if libc.fallocate(fd, mode, offset, length) == 0 else \
                ctypes.get_errno()
                    assert allocate(1, 0, 1 << 20) == 0 and os.fstat(fd).st_size == 0
                    os.pwrite(fd, b'x' * 65536, 0)
                    assert allocate(3, 8192, 16384) == 0
                    assert os.pread(fd, 65536, 0) == b'x' * 8192 + bytes(16384) + b'x' * 40960
                    assert os.lseek(fd, 0, os.SEEK_HOLE) == 8192 and os.lseek(fd, 8192, \
                os.SEEK_DATA) == 24576
                    assert allocate(8, 0, 4096) == errno.EOPNOTSUPP
                    os.ftruncate(fd, 0); os.pwrite(fd, data, 0); os.fsync(fd)
                folder = os.open(I, os.O_RDONLY); os.fsync(folder); os.close(folder)
                view = glob.glob(glob.escape(M) + '/by-uid/*/*/*.dcm')[0]
                with open(view, 'rb') as image, open(I + '/copy.dcm', 'wb') as copy:
                    assert os.lseek(image.fileno(), 10, os.SEEK_HOLE) == len(data)
                    image.seek(0)
                    done = 0
                    while done < len(data): done += os.copy_file_range(image.fileno(), \
                copy.fileno(), len(data))
                assert open(I + '/copy.dcm', 'rb').read() == data
                try: os.open(I, os.O_TMPFILE | os.O_RDWR)
                except OSError as error: assert error.errno == errno.EOPNOTSUPP, error
                else: assert False
                """)
            try archive.expectArchived(archive.work + "/1.dcm")
            #expect(try archive.status().instances == 1)
            try archive.settled()
        }
    }

    @Test("A file that is unlinked while it is written can be used to the end, and is not archived")
    func unlinked() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.python(
                """
                data = open('1.dcm', 'rb').read()
                with open(I + '/a.dcm', 'w+b') as file:
                    file.write(data[:9000]); file.flush()
                    os.unlink(I + '/a.dcm')
                    assert os.listdir(I) == []
                    file.write(data[9000:]); file.flush()
                    assert os.fstat(file.fileno()).st_size == len(data)
                    file.seek(0); assert file.read() == data
                """)
            try archive.settled()
            let status = try archive.status()
            #expect((status.instances, status.rejected, status.incoming.pending) == (0, 0, 0))
        }
    }

    @Test("A name that is replaced while it is open leaves both files whole")
    func replacedWhileOpen() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages(2)
            try archive.python(
                """
                one, two = (open(f'{n}.dcm', 'rb').read() for n in (1, 2))
                with open(I + '/a.dcm', 'wb') as file: file.write(one)
                with open(I + '/a.dcm', 'rb') as reader:
                    with open(I + '/a.dcm.part', 'wb') as file: file.write(two)
                    os.replace(I + '/a.dcm.part', I + '/a.dcm')
                    assert reader.read() == one
                    assert open(I + '/a.dcm', 'rb').read() == two
                assert os.listdir(I) == ['a.dcm']
                """)
            for image in [1, 2] { try archive.expectArchived("\(archive.work)/\(image).dcm") }
        }
    }

    @Test("A large image is archived whole")
    func large() throws {
        try MountedArchive.with { archive in
            try archive.keepNames()
            try archive.writeImages()
            try archive.mustShell(
                """
                cp 1.dcm large.dcm; head -c 90000000 /dev/urandom >>large.dcm; cp large.dcm \
                \"$I/\"
                """,
                timeout: 120)
            try archive.expectArchived(archive.work + "/large.dcm")
        }
    }
}
