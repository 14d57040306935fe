import Glibc
import TestSupport
import SyntheticStudy
import Testing

/// What every call on an open file or folder comes to, whatever it is open by.
@Suite(
    "Calls on open files", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct OpenHandleTests {
    /// `calls(d)` makes every call there is on a descriptor of an image, and `expected(path)` says
    /// what they come to for the image of these bytes.
    private static let calls = """
        import ctypes, errno, fcntl, glob, hashlib, struct, time
        libc = ctypes.CDLL(None, use_errno=True)
        def check(result):
            if result < 0: raise OSError(ctypes.get_errno(), '')
            return result
        def outcome(call):
            try: return call()
            except OSError as error: return errno.errorcode[error.errno]
        def digest(data): return hashlib.sha256(data).hexdigest()
        def copied(d):
            with open('copy', 'wb') as out:
                while os.copy_file_range(d, out.fileno(), 1 << 20, offset_src=out.tell(), \
        offset_dst=out.tell()):
                    out.seek(0, os.SEEK_END)
            return digest(open('copy', 'rb').read())
        def sent(d):
            with open('copy', 'wb') as out:
                size = os.fstat(d).st_size
                done = 0
                while done < size: done += os.sendfile(out.fileno(), d, done, size - done)
            return digest(open('copy', 'rb').read())
        def mapped(d):
            with mmap.mmap(d, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as data: return \
        digest(data[:])
        def flushed(d): os.close(os.dup(d))
        def calls(d):
            size = os.fstat(d).st_size
            return {name: outcome(call) for name, call in {
                'read': lambda: digest(os.pread(d, 1 << 24, 0)),
                'read in parts': lambda: digest(b''.join(os.pread(d, 1000, at) for at in \
        range(0, size, 1000))),
                'read at the end': lambda: os.pread(d, 10, size),
                'mmap': lambda: mapped(d),
                'copy_file_range': lambda: copied(d),
                'sendfile': lambda: sent(d),
                'write': lambda: os.pwrite(d, b'x', 0),
                'fsync': lambda: os.fsync(d),
                'fdatasync': lambda: os.fdatasync(d),
                'syncfs': lambda: check(libc.syncfs(d)),
                'flush': lambda: flushed(d),
                'SEEK_DATA': lambda: os.lseek(d, 1, os.SEEK_DATA),
                'SEEK_HOLE': lambda: os.lseek(d, 1, os.SEEK_HOLE) == size,
                'SEEK_HOLE at the end': lambda: os.lseek(d, size, os.SEEK_HOLE),
                'fstat': lambda: os.fstat(d).st_mode,
                'fstatvfs': lambda: os.fstatvfs(d).f_namemax,
                'fchmod': lambda: os.fchmod(d, 0o777),
                'fchown': lambda: os.fchown(d, 1, 1),
                'futimens': lambda: os.utime(d, (1, 1)),
                'ftruncate': lambda: os.ftruncate(d, 1),
                'fallocate': lambda: check(libc.fallocate(d, 0, ctypes.c_long(0), \
        ctypes.c_long(9))),
                'fgetxattr': lambda: os.getxattr(d, 'user.pacsfs.sha256').decode(),
                'fsetxattr': lambda: os.setxattr(d, 'user.pacsfs.sha256', b''),
                'flock': lambda: fcntl.flock(d, fcntl.LOCK_SH),
                'fcntl lock': lambda: fcntl.lockf(d, fcntl.LOCK_SH),
                'ioctl': lambda: fcntl.ioctl(d, 0x5401, b' ' * 64),
                'readdir': lambda: os.listdir(d),
                'fadvise': lambda: os.posix_fadvise(d, 0, 0, os.POSIX_FADV_WILLNEED),
            }.items()}
        def expected(sum):
            return {
                'read': sum, 'read in parts': sum, 'read at the end': b'', 'mmap': sum,
                'sendfile': sum, 'write': 'EBADF', 'fsync': None,
                'fdatasync': None, 'syncfs': 0, 'flush': None, 'SEEK_DATA': 1, 'SEEK_HOLE': True,
                'SEEK_HOLE at the end': 'ENXIO', 'fstat': 0o100444, 'fstatvfs': 255,
                'fchmod': 'EROFS', 'fchown': 'EROFS', 'futimens': 'EROFS', 'ftruncate': 'EINVAL',
                'fallocate': 'EBADF', 'fgetxattr': sum, 'fsetxattr': 'EPERM', 'flock': None,
                'fcntl lock': None, 'ioctl': 'ENOTTY', 'readdir': 'ENOTDIR', 'fadvise': None,
            }
        def verify(d, sum, what):
            found, wanted = calls(d), expected(sum)
            # Between two file systems it depends on the kernel.
            assert found['copy_file_range'] in ['EXDEV', sum], found['copy_file_range']
            wrong = {name: (found[name], wanted[name]) for name in wanted if found[name] != \
        wanted[name]}
            assert not wrong, (what, wrong)
        def image():
            path = sorted(glob.glob(M + '/by-uid/*/*/*.dcm'))[0]
            return path, os.getxattr(path, 'user.pacsfs.sha256').decode()
        def blob(volume, sum): return f'../volume{volume}/blobs/{sum[:2]}/{sum[2:4]}/{sum}.dcm'

        """

    private func importImages(_ archive: MountedArchive) throws {
        let study = SyntheticStudy(
            seed: 21, modality: .computedTomography, series: 1, imagesPerSeries: 3, side: 64)
        for (number, image) in study.images().enumerated() {
            try Files.write(image.write(), to: "\(archive.work)/images/\(number).dcm")
        }
        try archive.handOver()
        try archive.mustShell("\"$PACSFS\" import images >/dev/null")
    }

    @Test(
        """
        An image that is opened, damaged, healed and opened again answers every call on each \
        descriptor
        """,
        .enabled(if: geteuid() == 0, "the mount belongs to root: EROFS comes from pacsfs"),
        arguments: ReadMode.allCases)
    func healed(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            try importImages(archive)
            try archive.python(
                Self.calls + """
                    path, sum = image()
                    open_ones = [os.open(path, os.O_RDONLY)]
                    verify(open_ones[0], sum, 'before')
                    for volume in [1, 1]:
                        file = blob(volume, sum)
                        size = os.path.getsize(file)
                        os.unlink(file)
                        with open(file, 'wb') as bad: bad.write(b'x' * size)
                        open_ones.append(os.open(path, os.O_RDONLY))
                        for number, d in enumerate(open_ones):
                            # Those that were open before may read the bytes that were theirs.
                            verify(d, sum, (volume, number))
                    for d in open_ones: os.close(d)
                    d = os.open(path, os.O_RDONLY)
                    verify(d, sum, 'after')
                    assert digest(open(blob(1, sum), 'rb').read()) == sum
                    """)
            #expect(archive.daemon != nil)
        }
    }

    @Test(
        "An image whose volume goes while it is open answers every call on each descriptor",
        .enabled(if: LosableDisk.isPossible, "loop devices need root"),
        arguments: ReadMode.allCases)
    func lost(_ mode: ReadMode) throws {
        var disks: [LosableDisk] = []
        defer { for disk in disks { disk.unmount() } }
        try MountedArchive.with(
            mode, minimumCopies: 1,
            prepare: { archive in
                for path in archive.volumes { disks.append(try LosableDisk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            try importImages(archive)
            try archive.python(
                Self.calls + """
                    import json
                    path, sum = image()
                    first = os.open(path, os.O_RDONLY)
                    verify(first, sum, 'before')
                    subprocess.run(['umount', '-l', os.path.abspath('../volume1')], check=True)
                    def states():
                        status = subprocess.run([os.environ['PACSFS'], 'status', '--json'], \
                    capture_output=True)
                        return [volume['state'] for volume in json.loads(status.stdout)['volumes']]
                    end = time.monotonic() + 60
                    while states()[0] == 'online':
                        assert time.monotonic() < end, states()
                        time.sleep(0.1)
                    second = os.open(path, os.O_RDONLY)
                    verify(first, sum, 'the first')
                    verify(second, sum, 'the second')
                    os.close(first)
                    verify(second, sum, 'the second alone')
                    third = os.open(path, os.O_RDONLY)
                    os.close(second)
                    verify(third, sum, 'the third')
                    """)
            #expect(archive.daemon != nil)
            try archive.unmount()
        }
    }

    @Test(
        "A text and a folder of the mount answer every call on their descriptors",
        .enabled(if: geteuid() == 0, "the mount belongs to root: EROFS comes from pacsfs"))
    func texts() throws {
        try MountedArchive.with(.cached) { archive in
            try importImages(archive)
            try archive.python(
                Self.calls + """
                    for name in ['README.txt', 'search/how to search.txt', \
                    'search/colour=red/why this finds nothing.txt']:
                        d = os.open(f'{M}/{name}', os.O_RDONLY)
                        found = calls(d)
                        sum = found['read']
                        wanted = expected(sum)
                        wanted |= {'fgetxattr': 'ENODATA'}
                        wrong = {call: (found[call], wanted[call]) for call in wanted if \
                    found[call] != wanted[call]}
                        assert not wrong, (name, wrong)
                        os.close(d)
                    for name in ['', 'by-uid', 'incoming', 'rejected', 'search', 'search/ct']:
                        d = os.open(f'{M}/{name}', os.O_RDONLY | os.O_DIRECTORY)
                        listed = os.listdir(d)
                        assert listed == os.listdir(d), name
                        for call, wanted in [
                            (lambda: os.fsync(d), None), (lambda: os.fdatasync(d), None),
                            (lambda: os.pread(d, 9, 0), 'EISDIR'), (lambda: os.pwrite(d, b'x', \
                    0), 'EBADF'),
                            (lambda: check(libc.syncfs(d)), 0), (lambda: flushed(d), None),
                            (lambda: fcntl.flock(d, fcntl.LOCK_EX), None),
                        ]:
                            assert outcome(call) == wanted, (name, outcome(call), wanted)
                        os.close(d)
                    """)
            #expect(archive.daemon != nil)
        }
    }
}
