import Glibc
import TestSupport
import Testing

/// What one user takes, and what is left for others.
@Suite(
    "Shares of users", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: geteuid() == 0, "only root can become another user"))
struct SharesTests {
    /// `Hoarder(step)` is a process of nobody that calls `step(number)` until it fails, and keeps
    /// what it has got; `count` is how often that went well, `error` the number of the error.
    private static let hoarder = """
        import ctypes, errno, glob, hashlib, json, resource, signal, time
        class Hoarder:
            def __init__(self, step, most=2000, more=0, uid=65534):
                end, self.out = os.pipe()
                self.pid = os.fork()
                if not self.pid:
                    # prctl(2), PR_SET_PDEATHSIG: it ends with the test.
                    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
                    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
                    os.setgroups([]); os.setgid(uid); os.setuid(uid)
                    count, code, kept = 0, 0, []
                    try:
                        while count < most:
                            kept.append(step(count)); count += 1
                    except OSError as error:
                        code = error.errno
                    for number in range(more):
                        try: kept.append(step(count + number))
                        except OSError: pass
                    os.write(self.out, f'{count} {code}'.encode())
                    signal.pause()
                    os._exit(0)
                os.close(self.out)
                self.count, self.error = map(int, os.read(end, 100).split())
                os.close(end)
            def end(self):
                os.kill(self.pid, signal.SIGKILL); os.waitpid(self.pid, 0)
        def as_user(uid, *command):
            return subprocess.run(['setpriv', f'--reuid={uid}', f'--regid={uid}',
                '--clear-groups', *command], capture_output=True, timeout=20)
        def status():
            run = subprocess.run([os.environ['PACSFS'], 'status', '--json'], capture_output=True)
            return run.returncode, json.loads(run.stdout)
        os.chmod('.', 0o755); os.chmod('..', 0o755)

        """

    @Test("A user who opens all that can be opened is refused; others read, add, and scrub")
    func openFiles() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.importSamples()
            try archive.writeImages(4, markedWith: "new")
            try archive.mustShell(
                """
                prlimit --nofile=600:600 "$PACSFS" mount "$M"
                chmod 644 *.dcm
                """)
            try archive.python(
                Self.hoarder + """
                    images = sorted(glob.glob(M + '/by-uid/*/*/*.dcm'))
                    assert len(images) == 17, images
                    assert status()[1]['refusals'] == []
                    flags = os.O_RDWR | os.O_CREAT
                    steps = [
                        lambda number: os.open(f'{I}/{os.getuid()} {number}', flags, 0o644),
                        lambda number: os.open(I, os.O_RDONLY | os.O_DIRECTORY),
                        lambda number: os.open(images[0], os.O_RDONLY),
                    ]
                    for number, step in enumerate(steps, 1):
                        hoarder = Hoarder(step, more=100)
                        assert hoarder.error == errno.EMFILE, (number, hoarder.error)
                        assert 100 <= hoarder.count <= 150, (number, hoarder.count)
                        # A second one leaves enough, too.
                        second = Hoarder(step, uid=65533)
                        assert second.error == errno.EMFILE and second.count >= 50
                        for image in images:
                            with open(image, 'rb') as file: assert len(file.read()) > 1000
                        run = as_user(65532, 'cp', f'{number}.dcm', f'{I}/new{number}.dcm')
                        assert run.returncode == 0, run.stderr
                        run = as_user(65532, 'ls', M + '/by-patient')
                        assert run.returncode == 0, run.stderr
                        if number == 3:
                            scrub = [os.environ['PACSFS'], 'scrub']
                            run = subprocess.run(scrub, capture_output=True)
                            assert run.returncode == 0, run
                        code, document = status()
                        assert code > 0, document
                        refusal = document['refusals'][0]
                        assert refusal['resource'] == 'open_files', refusal
                        assert refusal['user'] == 65533 and refusal['count'] > 100 * number
                        reasons = document['health']['reasons']
                        assert any('uid 65533' in reason for reason in reasons), reasons
                        hoarder.end(); second.end()
                        # What was closed can be opened by the same users again.
                        end = time.monotonic() + 60
                        while True:
                            probe = Hoarder(steps[1], most=60)
                            probe.end()
                            if not probe.error: break
                            assert time.monotonic() < end
                            time.sleep(0.05)
                    # The log says so once a minute.
                    log = open(os.environ['PACSFS_ARCHIVE'] + '/pacsfs.log').read()
                    assert 1 <= log.count('full share of the files') <= 2, log
                    """, timeout: 120)
        }
    }

    @Test("Zip archives full of junk keep nobody else's waiting, and are done soon")
    func zips() throws {
        try MountedArchive.with { archive in
            try archive.writeImages(4)
            try archive.python(
                Self.hoarder + """
                    import zipfile
                    for number in range(1, 4):
                        with zipfile.ZipFile(f'junk{number}.zip', 'w') as file:
                            file.write(f'{number}.dcm')
                            for member in range(1000):
                                file.writestr(f'{member}.txt', f'{member:10}')
                    with zipfile.ZipFile('good.zip', 'w') as file: file.write('4.dcm')
                    for path in glob.glob('*.zip'): os.chmod(path, 0o644)
                    junk = [subprocess.Popen(['setpriv', '--reuid=65534', '--regid=65534',
                        '--clear-groups', 'cp', f'junk{number}.zip', I]) for number in range(1, 4)]
                    def unpacking():
                        return [zip for zip in status()[1]['incoming']['unpacking'] if zip['files']]
                    end = time.monotonic() + 60
                    while len(unpacking()) < 3 and any(one.poll() is None for one in junk):
                        assert time.monotonic() < end
                    subprocess.run(['cp', 'good.zip', I], check=True, timeout=30)
                    assert all(one.poll() is None for one in junk)
                    for one in junk: assert one.wait(timeout=60) == 0
                    assert len(glob.glob(M + '/by-uid/*/*/*.dcm')) == 4
                    assert len(glob.glob(M + '/rejected/*/junk*.zip/*.reason.txt')) == 3000
                    """, timeout: 100)
        }
    }
}
