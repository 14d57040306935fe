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
                """, timeout: 60)
            try archive.mustShell("cp 1.dcm \"$I/image.dcm\"", timeout: 30)
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

    @Test("What an earlier run left does not keep a start from being ready, and is not hashed")
    func starting() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.killDaemon()
            // 10,000, of which most wait for their rename; one that says it is 8 TiB, one that is
            // half an image.
            try archive.python(
                """
                top = '../volume1/staging/incoming'
                os.mkdir(top + '/many')
                for number in range(10_000):
                    name = f'{top}/many/{number}' + ('.part' if number % 10 else '')
                    with open(name, 'wb') as file: file.write(b'%d' % number)
                with open(f'{top}/huge.dcm', 'wb') as file:
                    file.truncate(1 << 43); file.seek(1 << 40); file.write(b'x')
                # Its name waits: another would be set aside before anybody goes on with it.
                with open(f'{top}/half.part', 'wb') as file:
                    file.write(open('1.dcm', 'rb').read()[:-500])
                """)
            let start = ProgramRun.now()
            try archive.mustShell("fusermount3 -u \"$M\"; \"$PACSFS\" mount \"$M\"", timeout: 60)
            #expect(ProgramRun.now() - start < 20)
            // It waits where it was, and is counted.
            try archive.mustShell(
                """
                ls "$I/many/1.part" "$I/many/9999.part"
                stat -c %s "$I/huge.dcm" "$I/half.part" > /dev/null
                { "$PACSFS" status || true; } | grep 'Incoming .* files wait' >/dev/null
                cp 1.dcm "$I/other.dcm"
                """, timeout: 20)
            // Somebody who goes on with a file gets one of his own.
            try archive.python(
                """
                with open(f'{I}/half.part', 'wb') as file: file.write(open('1.dcm', 'rb').read())
                os.rename(f'{I}/half.part', f'{I}/half.dcm')
                """)
            #expect(
                eventually(within: 60) {
                    (try? files(below: archive.volumes[0] + "/staging/incoming").count) == 9_000
                })
            let kept = try files(below: archive.volumes[1] + "/rejected")
            #expect(kept.count == 2_002)
            #expect(kept.contains { $0.hasSuffix("/huge.dcm") })
        }
    }
}
