import TestSupport
import SyntheticStudy
import Testing

/// What stands in the place of a regular file is opened without waiting for its other end.
@Suite(
    "Special files in place of regular ones", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct SpecialFileTests {
    private static let tools = """
        import glob, hashlib, json, time
        P = os.environ['PACSFS']
        def within(*command, code=0, seconds=8):
            # Files, as a daemon that is started may keep a pipe open.
            with open('out', 'w+') as out:
                run = subprocess.run(command, stdout=out, stderr=out, timeout=seconds)
                out.seek(0); text = out.read()
            assert code is None or run.returncode == code, (command, run, text)
            return text
        def wait(what, condition, seconds=20):
            end = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < end, what
                time.sleep(0.05)
        def blobs(volume): return sorted(glob.glob(f'../volume{volume}/blobs/*/*/*.dcm'))
        def replace(path):
            if os.path.exists(path): os.rename(path, '../kept')
            os.mkfifo(path)
        def restore(path):
            os.unlink(path)
            if os.path.exists('../kept'): os.rename('../kept', path)
        def state(volume):
            return json.loads(within(P, 'status', '--json', code=None))['volumes'][volume - 1]
        def images():
            paths = within('find', f'{M}/by-uid', '-type', 'f').split('\\n')[:-1]
            return within('sha256sum', *paths).count('\\n')

        """

    private func prepare(_ archive: MountedArchive) throws {
        let study = SyntheticStudy(
            seed: 41, modality: .computedTomography, series: 1, imagesPerSeries: 8, side: 32)
        for (number, image) in study.images().enumerated() {
            try Files.write(image.write(), to: "\(archive.work)/\(number).dcm")
        }
        try archive.mustShell("cp [0-5].dcm \"$I\"")
    }

    @Test("A FIFO in place of a blob or the identity is healed or told, and nothing hangs")
    func whileMounted() throws {
        try MountedArchive.with { archive in
            try prepare(archive)
            try archive.python(
                Self.tools + """
                    for volume in [1, 2]: replace(blobs(volume)[volume])
                    assert images() == 6
                    within(P, 'scrub', code=1, seconds=20)
                    for volume in [1, 2]: assert all(os.path.isfile(p) for p in blobs(volume))
                    os.unlink('../kept')
                    name = '../volume2/pacsfs-volume.json'
                    replace(name)
                    wait('noticed', lambda: state(2)['state'] == 'absent')
                    assert 'not a plain file' in state(2)['problem'], state(2)
                    assert images() == 6
                    restore(name)
                    wait('back', lambda: state(2)['state'] == 'online')
                    open(f'{I}/broken.dcm', 'w').write('broken')
                    found = lambda: glob.glob('../volume*/rejected/*/broken.dcm')
                    wait('set aside', found, 30)
                    replace(found()[0])
                    within('ls', '-lR', f'{M}/rejected')
                    within('sh', '-c', f'cat {M}/rejected/*/broken.dcm', code=None)
                    os.mkfifo('../volume1/staging/commit/' + 64 * 'a' + '.dcm')
                    os.mkfifo('../volume1/staging/commit/probe.part')
                    os.mkfifo('../volume1/staging/incoming/x.dcm')
                    within('ls', '-lR', I)
                    within('cp', '6.dcm', I)
                    within(P, 'unmount', M)
                    within(P, 'mount', M, seconds=20)
                    within('cp', '7.dcm', I)
                    assert images() == 8
                    """, timeout: 120)
        }
    }

    @Test(
        "A start with a FIFO in place of a file of the archive does not hang, and says what it is")
    func start() throws {
        try MountedArchive.with { archive in
            try prepare(archive)
            try archive.python(
                Self.tools + """
                    A = os.environ['PACSFS_ARCHIVE']
                    within(P, 'unmount', M)
                    for name in ['pacsfs.toml', 'archive.json']:
                        replace(f'{A}/{name}')
                        for command in [['mount', M], ['status'], ['doctor'], ['verify']]:
                            said = within(P, *command, code=None)
                            if command[0] in ['mount', 'doctor']: assert 'plain file' in said, said
                        restore(f'{A}/{name}')
                    for name in ['', '-wal', '-shm', '-journal', '.damaged', '.new']:
                        replace(f'{A}/index.sqlite{name}')
                        within(P, 'mount', M, seconds=30)
                        assert images() == 6
                        within(P, 'unmount', M)
                        if os.path.exists('../kept'): os.unlink('../kept')
                    for path in ['pacsfs-volume.json'] + glob.glob(
                        'ledger/*/*.jsonl', root_dir='../volume2'):
                        replace(f'../volume2/{path}')
                        said = within(P, 'mount', M, code=None, seconds=30)
                        if os.path.ismount(M):
                            said = within(P, 'status', code=None)
                            said += within(P, 'verify', code=None, seconds=20)
                            within(P, 'unmount', M)
                        assert 'plain file' in said, (path, said)
                        restore(f'../volume2/{path}')
                    within(P, 'mount', M, seconds=30)
                    assert images() == 6
                    """, timeout: 200)
        }
    }

    @Test("A volume whose folders are moved away counts no more, and comes back with them")
    func moved() throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            try prepare(archive)
            try archive.python(
                Self.tools + """
                    os.rename('../volume2/blobs', '../volume2/blobs.away')
                    wait('noticed', lambda: state(2)['state'] == 'absent')
                    within('cp', '6.dcm', I)
                    sum = hashlib.sha256(open('6.dcm', 'rb').read()).hexdigest()
                    assert not glob.glob(f'../volume2/blobs.away/*/*/{sum}.dcm')
                    os.rename('../volume2/blobs.away', '../volume2/blobs')
                    wait('back', lambda: state(2)['state'] == 'online')
                    wait('made up for', lambda: len(blobs(1)) == len(blobs(2)))
                    """, timeout: 60)
            try archive.unmount()
            try archive.mustShell("\"$PACSFS\" verify")
        }
    }
}
