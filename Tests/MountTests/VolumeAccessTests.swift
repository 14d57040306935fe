import Glibc
import SyntheticStudy
import TestSupport
import Testing

/// Folders of volumes that other users could change.
@Suite(
    "Volumes that others can change", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct VolumeAccessTests {
    private static let tools = """
        import json, time
        P = os.environ['PACSFS']
        def run(*command, code=0, words=''):
            with open('out', 'w+') as out:
                done = subprocess.run(command, stdout=out, stderr=out, timeout=30)
                out.seek(0); text = out.read()
            assert code is None or done.returncode == code, (command, done, text)
            assert words in text, (command, text)
            return text
        def wait(what, condition, seconds=20):
            end = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < end, what
                time.sleep(0.05)
        def status(): return json.loads(run(P, 'status', '--json', code=None))
        def state(volume): return status()['volumes'][volume - 1]
        V2 = os.path.realpath('../volume2')
        FOLDERS = [V2] + [V2 + '/' + f for f in ['blobs', 'ledger', 'staging', 'rejected']]
        def harm(folder):
            # Each way in which others can change a folder, and what mends it.
            mode = os.stat(folder).st_mode & 0o7777
            for other in [mode | 0o020, mode | 0o1777] if folder == V2 else [mode | 0o002]:
                os.chmod(folder, other)
                yield 'chmod go-w'
                os.chmod(folder, mode)
            if folder not in FOLDERS[:2]: return
            os.chown(folder, 1, 1)
            yield 'chown -R 0 ' + V2
            os.chown(folder, 0, 0)

        """

    @Test("init and volume add refuse a folder that others can change", .enabled(if: getuid() == 0))
    func refused() throws {
        try MountedArchive.with { archive in
            try archive.python(
                Self.tools + """
                    os.mkdir('new')
                    new = os.path.realpath('new')
                    for isOther in [False, True]:
                        word = ('chown -R 0 ' if isOther else 'chmod go-w ') + new
                        os.chmod(new, 0o755 if isOther else 0o777)
                        if isOther: os.chown(new, 1, 1)
                        run(P, 'init', '--archive', 'a', '--volume', 'new', '--volume', 'new2',
                            code=None, words=word)
                        assert not os.path.exists('a') and not os.path.exists('new2')
                        run(P, 'volume', 'add', 'new', code=None, words=word)
                        assert os.listdir(new) == []
                    os.chown(new, 0, 0)
                    run(P, 'volume', 'add', 'new')
                    """, timeout: 60)
        }
    }

    @Test(
        "A volume that others can change is absent at the mount, and used when that is mended",
        .enabled(if: getuid() == 0))
    func mounting() throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            let study = SyntheticStudy(
                seed: 43, modality: .computedTomography, series: 1, imagesPerSeries: 2, side: 16)
            for (number, image) in study.images().enumerated() {
                try Files.write(image.write(), to: "\(archive.work)/\(number).dcm")
            }
            try archive.python(
                Self.tools + """
                    for folder in FOLDERS:
                        for remedy in harm(folder):
                            # In use it stays in use, and status says what is wrong.
                            wait('seen', lambda: any(
                                remedy in reason for reason in status()['health']['reasons']))
                            assert state(2)['state'] == 'online' and folder in state(2)['problem']
                        wait('well', lambda: state(2)['problem'] is None)
                    run(P, 'unmount', M)
                    for folder in FOLDERS:
                        for remedy in harm(folder):
                            run(P, 'doctor', code=None, words=remedy.split(' -R')[0])
                            run(P, 'mount', M)
                            assert state(2)['state'] == 'absent', state(2)
                            assert remedy in state(2)['problem'], state(2)
                            assert any(remedy in r for r in status()['health']['reasons']), status()
                            run(P, 'unmount', M)
                    os.chmod(V2, 0o777)
                    run(P, 'mount', M)
                    run('cp', '0.dcm', I)
                    assert not [f for _, _, files in os.walk(V2 + '/blobs') for f in files]
                    os.chmod(V2, 0o755)
                    wait('taken up', lambda: state(2)['state'] == 'online')
                    run('cp', '1.dcm', I)
                    wait('made up for', lambda: len(
                        [f for _, _, files in os.walk(V2 + '/blobs') for f in files]) == 2)
                    """, timeout: 150)
        }
    }
}
