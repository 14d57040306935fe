import Foundation
import Glibc
import TestSupport
import SyntheticStudy
import Testing

/// Disks that do not answer, and everything that has nothing to do with them.
@Suite(
    "Disks that hang", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct HungDiskTests {
    /// Images in `images`, archived, and others in `new`.
    private func prepare(_ archive: MountedArchive, images count: Int, new: Int = 0) throws {
        for (folder, seed, count) in [("images", UInt64(31), count), ("new", 32, new)]
        where count > 0 {
            let study = SyntheticStudy(
                seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: count,
                side: 32)
            for (number, image) in study.images().enumerated() {
                try Files.write(image.write(), to: "\(archive.work)/\(folder)/\(number).dcm")
            }
        }
        try archive.handOver()
        try archive.mustShell("\"$PACSFS\" import images >/dev/null")
    }

    /// `within(seconds, what, command)` runs a command that must succeed in time.
    private static let within = """
        import glob, hashlib, json, signal, stat, threading, time
        def within(seconds, what, *command):
            begin = time.monotonic()
            try:
                run = subprocess.run(command, capture_output=True, timeout=seconds)
            except subprocess.TimeoutExpired:
                raise AssertionError(f'{what} takes longer than {seconds} s')
            assert run.returncode == 0, (what, run.stderr)
            return run.stdout
        def wait(what, condition, seconds=30):
            end = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < end, what
                time.sleep(0.05)

        """

    @Test(
        "While forty programs hang in incoming, views are listed and images read, and df answers",
        .enabled(if: LosableDisk.isPossible, "loop devices need root"),
        arguments: ReadMode.allCases)
    func incoming(_ mode: ReadMode) throws {
        var disks: [LosableDisk] = []
        defer { for disk in disks { disk.unmount() } }
        try MountedArchive.with(
            mode,
            prepare: { archive in
                for path in archive.volumes { disks.append(try LosableDisk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            try prepare(archive, images: 20, new: 40)
            try archive.python(
                Self.within + """
                    volume = os.path.abspath('../volume1')
                    assert os.path.isdir(f'{volume}/staging/incoming')
                    subprocess.run(['fsfreeze', '-f', volume], check=True)
                    try:
                        clients = [subprocess.Popen(['cp', f'new/{n}.dcm', I]) for n in range(40)]
                        time.sleep(3)
                        assert all(c.poll() is None for c in clients)
                        within(5, "ls", "ls", M)
                        within(5, "ls -l", "ls", "-l", f"{M}/by-date")
                        found = within(5, 'find', 'find', f'{M}/by-patient', f'{M}/by-date', \
                    '-type', 'f').splitlines()
                        assert len(found) == 40, len(found)
                        sums = [line.split()[0] for line in within(5, 'reading', 'sha256sum', \
                    *sorted(found)[:20]).splitlines()]
                        wanted = subprocess.run('sha256sum images/*', shell=True, \
                    capture_output=True).stdout.split()[::2]
                        assert set(sums) == set(wanted)
                        within(5, 'df', 'df', M)
                        within(5, 'a search', 'ls', f'{M}/search/modality=CT')
                        within(5, 'show', os.environ['PACSFS'], 'show', sorted(found)[0].decode())
                        assert all(c.poll() is None for c in clients)
                    finally:
                        subprocess.run(['fsfreeze', '-u', volume], check=True)
                    assert [c.wait(60) for c in clients] == [0] * 40
                    """, timeout: 150)
            try archive.settled()
            try archive.mustShell(
                """
                sha256sum images/* new/* | cut -c1-64 | sort >known; sha256sum \
                \"$M\"/by-uid/*/*/* | cut -c1-64 | sort | cmp - known
                """
            )
            try archive.unmount()
        }
    }

    /// open(2) of a named pipe without a writer waits, as a call on a disk that does not answer.
    @Test(
        """
        A disk that does not answer takes a share of the threads: images are read from the \
        other, and a program that waits can be killed
        """,
        arguments: ReadMode.allCases)
    func reading(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            try prepare(archive, images: 40, new: 1)
            try archive.python(
                Self.within
                    + """
                    pipes = sorted(glob.glob('../volume1/blobs/*/*/*.dcm'))
                    sizes = {path: os.path.getsize(path) for path in pipes}
                    names = {os.getxattr(path, 'user.pacsfs.sha256').decode(): path for path in \
                    glob.glob(M + '/by-uid/*/*/*.dcm')}
                    mode = stat.S_IMODE(os.stat(pipes[0]).st_mode)
                    for path in pipes:
                        os.unlink(path)
                        os.mkfifo(path, mode)
                    sums = [os.path.basename(path)[:-4] for path in pipes]
                    clients = [subprocess.Popen(['sha256sum', names[sum]], \
                    stdout=subprocess.PIPE) for sum in sums]
                    # As many as a disk may take wait for it; all others have their image.
                    wait('16 hang', lambda: sum_of_running(clients) == 16)
                    time.sleep(0.5)
                    hung = [n for n, c in enumerate(clients) if c.poll() is None]
                    assert len(hung) == 16, len(hung)
                    for n, c in enumerate(clients):
                        if n not in hung: assert c.stdout.read().split()[0].decode() == sums[n]
                    within(5, 'ls', 'ls', '-l', M, os.path.dirname(names[sums[0]]))
                    within(5, 'a copy', 'cp', 'new/0.dcm', I)
                    within(5, 'df', 'df', M)
                    # Killed ones go at once.
                    for n in hung[:4]:
                        clients[n].kill()
                        begin = time.monotonic()
                        clients[n].wait(10)
                        assert time.monotonic() - begin < 1, time.monotonic() - begin
                    # The disk answers again, with nothing.
                    def answer(path):
                        with open(path, 'wb'): time.sleep(1)
                    for n in hung: threading.Thread(target=answer, args=[pipes[n]]).start()
                    for n in hung[4:]:
                        assert clients[n].wait(30) == 0, n
                        assert clients[n].stdout.read().split()[0].decode() == sums[n]
                    """.replacing(
                        "sum_of_running(clients)", with: "[c.poll() for c in clients].count(None)"),
                timeout: 120)
            #expect(archive.daemon != nil)
        }
    }
}
