import SyntheticStudy
import TestSupport
import Testing

/// Copies that somebody alters below the archive so that their size, and perhaps their time, stay
/// as they were: what is acknowledged and what is read does not rely on them.
@Suite(
    "Altered copies", .serialized, .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct AlteredCopyTests {
    /// Functions for scripts in Python.
    private static let tools = """
        import hashlib, time
        def digest(path):
            with open(path, 'rb') as f: return hashlib.file_digest(f, 'sha256').hexdigest()
        def blob(path, volume):
            name = digest(path)
            return f'../volume{volume}/blobs/{name[:2]}/{name[2:4]}/{name}.dcm'
        def alter(blob, keeps):
            old = os.stat(blob)
            os.chmod(blob, 0o644)
            fd = os.open(blob, os.O_RDWR)
            os.pwrite(fd, b'altered!', old.st_size - 100)
            os.close(fd)
            os.chmod(blob, 0o444)
            if keeps: os.utime(blob, ns=(old.st_atime_ns, old.st_mtime_ns))
            assert os.stat(blob).st_size == old.st_size
        def shown(path):
            run = subprocess.run([os.environ['PACSFS'], 'show', '--json', digest(path)],
                capture_output=True, check=True)
            return __import__('json').loads(run.stdout)['images'][0]['paths'][0]
        def make_large(path, new, mebibytes):
            data = open(path, 'rb').read()
            at = data.rindex(b'\\xe0\\x7f\\x10\\x00OW\\0\\0') + 8
            size = mebibytes << 20
            with open(new, 'wb') as f:
                f.write(data[:at] + size.to_bytes(4, 'little'))
                piece = hashlib.sha512(data).digest() * (1 << 14)
                for _ in range(mebibytes): f.write(piece)

        """

    private func write(_ archive: MountedArchive, _ count: Int) throws {
        let study = SyntheticStudy(
            seed: 12, modality: .computedTomography, series: 1, imagesPerSeries: count, side: 16)
        for (number, image) in study.images().enumerated() {
            try Files.write(image.write(), to: "\(archive.work)/\(number).dcm")
        }
    }

    @Test(
        """
        The same file again is acknowledged only with good copies: by cp, by import, by a device's \
        zip, after a restart
        """)
    func duplicates() throws {
        try MountedArchive.with { archive in
            try write(archive, 9)
            try archive.python(
                Self.tools + """
                    files = [f'{n}.dcm' for n in range(9)]
                    subprocess.run(['cp', *files, I], check=True)
                    for n, path in enumerate(files):
                        for volume in [[1], [2], [1, 2]][n % 3]:
                            alter(blob(path, volume), keeps=n // 3 != 1)
                    def same(path):
                        return [open(path, 'rb').read() == open(blob(path, volume), 'rb').read()
                            for volume in [1, 2]]
                    for path in files[:3]:
                        subprocess.run(['cp', path, I + '/again ' + path], check=True)
                        assert same(path) == [True, True], path
                    run = subprocess.run([os.environ['PACSFS'], 'import', *files[3:6]])
                    assert run.returncode == 0
                    for path in files[3:6]: assert same(path) == [True, True], path
                    """)
            try archive.settled()
            try archive.unmount()
            try archive.mount()
            try archive.python(
                Self.tools + """
                    subprocess.run(['zip', '-q', '-0', 'cd.zip', '6.dcm', '7.dcm', '8.dcm'],
                        check=True)
                    subprocess.run(['cp', 'cd.zip', I], check=True)
                    for path in ['6.dcm', '7.dcm', '8.dcm']:
                        for volume in [1, 2]:
                            assert open(path, 'rb').read() == \
                    open(blob(path, volume), 'rb').read(), (path, volume)
                    """)
            try archive.settled()
            for number in 0..<9 { try archive.expectArchived("\(archive.work)/\(number).dcm") }
            // Both volumes are on the disk of the tests, which is all that status has to say.
            try archive.mustShell(
                """
                "$PACSFS" status --json >status || true
                python3 -c 'import json; health = json.load(open("status"))["health"]; \
                assert len(health["reasons"]) == 1 and "on one disk" in health["headline"], health'
                """)
        }
    }

    @Test(
        "A large image is never served from an altered copy while there is a good one",
        arguments: ReadMode.allCases)
    func large(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            try write(archive, 2)
            let check = """
                right = digest('large.dcm')
                path = shown('large.dcm')
                def check():
                    assert digest(path) == right
                    with open(path, 'rb') as f:
                        f.seek(os.stat(path).st_size - 100)
                        assert f.read(8) != b'altered!'

                """
            try archive.python(
                Self.tools + "make_large('0.dcm', 'large.dcm', 65)\n"
                    + "subprocess.run(['cp', 'large.dcm', I], check=True)\n" + check + """
                        # Never opened; opened before.
                        for volume in [1, 2]:
                            alter(blob('large.dcm', volume), keeps=volume == 1)
                            check()
                            check()
                        # Open meanwhile: who has it open may see the change; who opens it does not.
                        reader = open(path, 'rb', buffering=0)
                        reader.read(100)
                        alter(blob('large.dcm', 1), keeps=True)
                        alter(blob('large.dcm', 2), keeps=True)
                        try:
                            open(path, 'rb')
                            assert False, 'opened'
                        except OSError as error: assert error.errno == 5, error
                        reader.close()
                        subprocess.run(['cp', 'large.dcm', I + '/again.dcm'], check=True)
                        check()
                        """, timeout: 120)
            try archive.settled()
            try archive.unmount()
            try archive.python(Self.tools + "alter(blob('large.dcm', 1), keeps=True)")
            try archive.mount()
            try archive.python(Self.tools + check + "check()", timeout: 120)
        }
    }
}
