import TestSupport
import Testing

/// What is written costs what it takes, not what its size says.
@Suite(
    "Holes in incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct HoleTests {
    @Test("Whatever makes a file larger is refused where the file could not be kept")
    func growing() throws {
        try MountedArchive.with { archive in
            try archive.python(
                """
                import errno
                def fails(body):
                    try: body()
                    except OSError as error: assert error.errno == errno.ENOSPC, error
                    else: raise SystemExit('it was let through')
                free = os.statvfs(I).f_bavail * 4096
                for far in [free + (1 << 30), 1 << 43, (1 << 44) - 4097]:
                    fd = os.open(f'{I}/far.dcm', os.O_RDWR | os.O_CREAT)
                    fails(lambda: os.pwrite(fd, b'x', far))
                    fails(lambda: os.ftruncate(fd, far))
                    fails(lambda: os.posix_fallocate(fd, far, 1))
                    source = os.open(f'{I}/source', os.O_RDWR | os.O_CREAT)
                    os.pwrite(source, b'some', 0)
                    fails(lambda: os.copy_file_range(source, fd, 1, 0, far))
                    assert os.stat(f'{I}/far.dcm').st_size == 0
                    os.close(source)
                    fails(lambda: os.close(fd))
                """)
        }
    }

    @Test("What has its size and next to nothing else is set aside as it is, and holds up nobody")
    func sparse() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            // More of them than there are threads; as large as can be kept.
            try archive.python(
                """
                size = min(os.statvfs(I).f_bavail * 4096 // 2, 1 << 40)
                for number in range(24):
                    with open(f'{I}/{number}.dcm', 'wb') as file:
                        file.truncate(size)
                        file.seek(size - 4096); file.write(b'x')
                """, timeout: 20)
            try archive.mustShell("cp 1.dcm \"$I/image.dcm\"", timeout: 5)
            // Set aside, and as sparse as it was.
            #expect(
                eventually {
                    (try? files(below: archive.volumes[1] + "/rejected").count) == 48
                })
            let used = try archive.mustShell(
                "du -sm ../volume1 ../volume2 | awk '{ sum += $1 } END { print sum }'")
            #expect(Int(used.output.filter(\.isNumber)).map { $0 < 30 } == true, "\(used.report)")
        }
    }
}
