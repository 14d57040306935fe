import Foundation
import TestSupport
import Testing

/// Folders within folders, and long paths.
@Suite(
    "The depth of incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct DepthTests {
    /// Python that makes folders in folders, and calls that.
    private static let helpers = """
        import errno
        def nest(top, count, name='d'):
            # The descriptor of the last of so many folders below the one of another.
            current = os.dup(top)
            for _ in range(count):
                os.mkdir(name, dir_fd=current)
                below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
                os.close(current); current = below
            return current
        def fails(code, body):
            try: body()
            except OSError as error: assert error.errno == code, error
            else: raise SystemExit('it was let through')

        """

    @Test("No client nests folders deeper than 256 levels, neither by mkdir nor by rename")
    func bounded() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.python(
                Self.helpers + """
                    top = os.open(I, os.O_RDONLY)
                    bottom = nest(top, 256)
                    fails(errno.ENAMETOOLONG, lambda: os.mkdir('d', dir_fd=bottom))
                    os.mkdir(f'{I}/c1')
                    c1 = os.open(f'{I}/c1', os.O_RDONLY)
                    nest(c1, 100)
                    os.mkdir(f'{I}/c2')
                    c2 = os.open(f'{I}/c2', os.O_RDONLY)
                    deep = nest(c2, 200)
                    # As chains were joined to chains.
                    fails(errno.ENAMETOOLONG, lambda: os.rename(f'{I}/c1', 'x', dst_dir_fd=deep))
                    below = f'{I}/c1/' + 'd/' * 99
                    fails(errno.ENAMETOOLONG, lambda: os.rename(f'{I}/c2', below + 'x'))
                    os.rename(f'{I}/c1', f'{I}/c2/' + 'd/' * 50 + 'x')
                    # An image at the bottom is an image.
                    fd = os.open('IM1.dcm', os.O_WRONLY | os.O_CREAT, dir_fd=bottom)
                    os.write(fd, open('1.dcm', 'rb').read()); os.close(fd)
                    """)
            try archive.expectArchived(archive.work + "/1.dcm")
            // A folder of rejected is bounded as well.
            try archive.python(
                Self.helpers + """
                    fd = os.open(I, os.O_RDONLY)
                    deep = nest(fd, 200, 'r')
                    junk = os.open('junk', os.O_WRONLY | os.O_CREAT, dir_fd=deep)
                    os.write(junk, b'junk'); os.close(junk)
                    """)
            #expect(
                eventually {
                    (try? files(below: archive.volumes[0] + "/rejected").count) == 2
                })
            try archive.python(
                Self.helpers + """
                    day = os.listdir(f'{M}/rejected')[0]
                    os.mkdir(f'{I}/t')
                    deep = nest(os.open(f'{I}/t', os.O_RDONLY), 56)
                    source = f'{M}/rejected/{day}/r'
                    fails(errno.ENAMETOOLONG, lambda: os.rename(source, 'r', dst_dir_fd=deep))
                    os.rename(source, f'{I}/t/r')
                    """)
        }
    }

    @Test("Paths of any length are as good as others")
    func longPaths() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.python(
                Self.helpers + """
                    name = 'n' * 200
                    bottom = nest(os.open(I, os.O_RDONLY), 60, name)
                    def put(file, data):
                        fd = os.open(file, os.O_RDWR | os.O_CREAT, dir_fd=bottom)
                        os.write(fd, data); os.fsync(fd); os.close(fd)
                    data = open('1.dcm', 'rb').read()
                    put('IM1.dcm', data)
                    put('junk.txt', b'Dear client')
                    fd = os.open('IM1.dcm', os.O_RDONLY, dir_fd=bottom)
                    assert os.read(fd, len(data) + 1) == data
                    assert set(os.listdir(bottom)) == {'IM1.dcm', 'junk.txt'}
                    os.rename('IM1.dcm', 'IM2.dcm', src_dir_fd=bottom, dst_dir_fd=bottom)
                    os.chmod('IM2.dcm', 0o600, dir_fd=bottom)
                    os.stat('IM2.dcm', dir_fd=bottom)
                    """)
            try archive.expectArchived(archive.work + "/1.dcm")
            try archive.settled()
            // Set aside with its path, read there and tried again.
            try archive.python(
                Self.helpers + """
                    day = os.listdir(f'{M}/rejected')[0]
                    current = os.open(f'{M}/rejected/{day}', os.O_RDONLY)
                    for _ in range(60):
                        current = os.open('n' * 200, os.O_RDONLY, dir_fd=current)
                    fd = os.open('junk.txt', os.O_RDONLY, dir_fd=current)
                    assert os.read(fd, 100) == b'Dear client'
                    os.rename('junk.txt', f'{I}/junk.txt', src_dir_fd=current)
                    """)
        }
    }

    @Test("A volume with 16,000 folders in folders mounts, and everything works")
    func legacy() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.killDaemon()
            try archive.python(
                Self.helpers + """
                    top = os.open('../volume1/staging/incoming', os.O_RDONLY)
                    for name, count in [('full', 16_000), ('empty', 2_000)]:
                        os.mkdir(name, dir_fd=top)
                        bottom = nest(os.open(name, os.O_RDONLY, dir_fd=top), count)
                        if name == 'full':
                            os.close(os.open('file', os.O_WRONLY | os.O_CREAT, dir_fd=bottom))
                    """)
            defer {
                _ = try? archive.run([
                    "rm", "-rf", "--", archive.volumes[0] + "/staging/incoming/full",
                ])
            }
            try archive.mustShell(
                """
                fusermount3 -u "$M"; "$PACSFS" mount "$M"
                cp 1.dcm "$I/"
                "$PACSFS" import 1.dcm
                "$PACSFS" status > status || test $? = 1
                """, timeout: 30)
            try archive.expectArchived(archive.work + "/1.dcm")
            // Without a file they go; with one they are left alone, and the log says so.
            #expect(eventually { !Files.exists(archive.volumes[0] + "/staging/incoming/empty") })
            #expect(
                try eventually {
                    try Files.text(archive.archive + "/pacsfs.log")
                        .contains("nested deeper than 256")
                })
            try archive.mustShell(
                """
                ls "$I/full/d/d/d"; "$PACSFS" unmount "$M"
                # Nor does it hinder commands without a daemon, which take the file for what it is.
                "$PACSFS" status > status || test $? = 1
                cp 1.dcm 2.dcm; echo more >> 2.dcm; "$PACSFS" import 2.dcm
                "$PACSFS" status > status || test $? = 1
                rm -rf ../volume1/staging/incoming/full
                """, timeout: 120)
            try archive.mount()
        }
    }
}
