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

    /// Which disk freezes, and how many copies a new image needs.
    private static let freezes = [
        (volume: 0, minimum: 1, mode: ReadMode.passthrough), (0, 1, .cached),
        (1, 1, .passthrough), (0, 2, .passthrough),
    ]

    @Test(
        """
        A disk that does not answer counts as absent after a while: everybody goes on with the \
        other, and it comes back by itself
        """,
        .enabled(if: LosableDisk.isPossible, "loop devices need root"), arguments: freezes)
    func freezing(_ freeze: (volume: Int, minimum: Int, mode: ReadMode)) throws {
        var disks: [LosableDisk] = []
        defer { for disk in disks { disk.unmount() } }
        try MountedArchive.with(
            freeze.mode, isMounted: false, minimumCopies: freeze.minimum,
            prepare: { archive in
                for path in archive.volumes { disks.append(try LosableDisk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            try archive.configure {
                $0.replacing(/(?m)^patience = .*$/, with: "patience = 2")
            }
            try archive.mount()
            try prepare(archive, images: 10, new: 20)
            try archive.python(
                Self.within + """
                    volume = os.path.abspath('../volume\(freeze.volume + 1)')
                    minimum = \(freeze.minimum)
                    P = os.environ['PACSFS']
                    def status(): return subprocess.run([P, 'status'], capture_output=True, \
                    text=True, timeout=5).stdout
                    subprocess.run(['fsfreeze', '-f', volume], check=True)
                    try:
                        begin = time.monotonic()
                        clients = [subprocess.Popen(['cp', f'new/{n}.dcm', I], \
                    stderr=subprocess.DEVNULL) for n in range(8)]
                        # Nobody has to do anything for it to be noticed.
                        wait('noticed', lambda: 'does not answer' in status(), 8)
                        assert not status().startswith('Safe'), status()
                        ends = [c.wait(max(0.1, begin + 12 - time.monotonic())) for c in clients]
                        within(3, 'ls', 'ls', '-l', M, I)
                        within(3, 'df', 'df', M)
                        found = within(5, 'find', 'find', f'{M}/by-uid', '-type', 'f').splitlines()
                        within(5, 'reading', 'sha256sum', *found)
                        if minimum == 1:
                            for n in range(8, 16): within(3, 'a copy', 'cp', f'new/{n}.dcm', I)
                        else:
                            assert 0 not in ends, ends
                            run = subprocess.run(['cp', 'new/8.dcm', I], capture_output=True, \
                    timeout=3)
                            assert run.returncode and b'Input/output error' in run.stderr, run
                    finally:
                        subprocess.run(['fsfreeze', '-u', volume], check=True)
                    wait('back', lambda: status().startswith('Safe'), 30)
                    done = [n for n, end in enumerate(ends) if end == 0]
                    if minimum == 1: done += range(8, 16)
                    known = {os.path.basename(p)[:-4] for p in \
                    glob.glob('../volume1/blobs/*/*/*.dcm')}
                    for n in done:
                        bytes = open(f'new/{n}.dcm', 'rb').read()
                        assert hashlib.sha256(bytes).hexdigest() in known
                    for n in range(20): within(5, 'a copy', 'cp', f'new/{n}.dcm', f'{I}/{n}.again')
                    """, timeout: 120)
            try archive.settled()
            try archive.unmount()
            try archive.mustShell(
                """
                "$PACSFS" verify
                for v in ../volume1 ../volume2; do
                    (cd $v && find blobs -name '*.dcm' | sort) >$(basename $v).list
                    [[ -z $(find $v/staging -type f) ]]
                done
                cmp volume1.list volume2.list
                diff -r ../volume1/ledger ../volume2/ledger
                [[ $(wc -l <volume1.list) == 30 ]]
                [[ -z $(find ../volume1/rejected ../volume2/rejected -type f) ]]
                """, timeout: 60)
        }
    }

    /// As when a disk hangs for good and is pulled out, and its contents come back on another.
    @Test(
        "A volume comes back on another disk, though calls on the one that hangs never return",
        .enabled(if: LosableDisk.isPossible, "loop devices need root"),
        arguments: ["volume1", "link"])
    func comesBackElsewhere(by name: String) throws {
        var disks: [LosableDisk] = []
        defer { for disk in disks { disk.unmount() } }
        try MountedArchive.with(
            isMounted: false, minimumCopies: 1,
            prepare: { archive in
                for path in archive.volumes { disks.append(try LosableDisk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            // A path may lead to the disk through a symbolic link.
            try archive.mustShell("ln -s volume1 ../link")
            try archive.configure {
                $0.replacing(/(?m)^patience = .*$/, with: "patience = 1")
                    .replacing(archive.volumes[0], with: archive.folder.path(name))
            }
            try archive.mount()
            try prepare(archive, images: 4, new: 4)
            try archive.python(
                Self.within + """
                    import fcntl
                    volume = os.path.abspath('../volume1')
                    def status(): return subprocess.run([os.environ['PACSFS'], 'status'], \
                    capture_output=True, text=True, timeout=5).stdout
                    hung = os.open(volume, os.O_RDONLY)
                    subprocess.run(['fsfreeze', '-f', volume], check=True)
                    try:
                        client = subprocess.Popen(['cp', 'new/0.dcm', I], \
                    stderr=subprocess.DEVNULL)
                        wait('noticed', lambda: 'does not answer' in status(), 10)
                        client.wait(10)
                        # What the frozen disk holds is whole.
                        subprocess.run(['umount', '-l', volume], check=True)
                        subprocess.run(['cp', '--sparse=always', volume + '.image', \
                    volume + '.copy'], check=True)
                        subprocess.run(['mount', '-o', 'loop', volume + '.copy', volume], \
                    check=True)
                        wait('back', lambda: status().startswith('Safe'), 30)
                        for n in range(1, 4): within(3, 'a copy', 'cp', f'new/{n}.dcm', I)
                    finally:
                        # FITHAW of linux/fs.h
                        fcntl.ioctl(hung, 0xC0045878, 0)
                        os.close(hung)
                    """, timeout: 90)
            try archive.settled()
            try archive.unmount()
            try archive.mustShell("\"$PACSFS\" verify")
        }
    }
}
