import Foundation
import Glibc
import TestSupport
import SyntheticStudy
import Testing

/// Programs that are interrupted while they wait for what they have handed in.
@Suite(
    "Interrupted programs", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct InterruptTests {
    /// `write(name, count)` writes a zip archive of so many images. `unpacking(name)` waits until
    /// pacsfs is in the middle of it, `goes_on(name)` until it is further. `ends(process)` says in
    /// how many seconds a process is gone.
    private static let zips = """
        import ctypes, errno, re, signal, time, zipfile
        data = open('tiny.dcm', 'rb').read()
        uid = re.search(rb'\\x08\\x00\\x18\\x00UI..([0-9.]+)', data)[1]
        written = 0
        def write(name, count):
            global written
            with zipfile.ZipFile(name, 'w') as file:
                for number in range(written, written + count):
                    file.writestr(f'CD/{number}.dcm', data.replace(uid, uid[:-6] + b'%06d' % \
        number))
            written += count
        def unpacking(name):
            end = time.monotonic() + 60
            while True:
                try: reason = os.getxattr(f'{I}/{name}', 'user.pacsfs.reason')
                except OSError: reason = b''
                if reason.startswith(b'Being unpacked'): return
                assert time.monotonic() < end, reason
                time.sleep(0.02)
        def progress(name):
            return os.getxattr(f'{I}/{name}', 'user.pacsfs.reason')
        def goes_on(name):
            before, end = progress(name), time.monotonic() + 60
            while progress(name) == before:
                assert time.monotonic() < end, before
                time.sleep(0.02)
        def unpacked(name): return int(re.search(rb'[0-9]+', progress(name))[0])
        # By the work that goes on meanwhile: a busy machine is slow with both.
        def ends(process, name):
            unpacking(name)
            begin = unpacked(name)
            process.wait(60)
            return unpacked(name) - begin < 1000

        """

    private func writeTiny(_ archive: MountedArchive) throws {
        let tiny = SyntheticStudy(
            seed: 1, modality: .computedTomography, series: 1, imagesPerSeries: 1, side: 16)
        try Files.write(tiny.image(series: 0, index: 0).write(), to: archive.work + "/tiny.dcm")
        try archive.handOver()
    }

    private func expectArchived(_ count: Int64, _ archive: MountedArchive) throws {
        #expect(try eventually(within: 180) { try archive.status().instances >= count })
        #expect(try archive.status().instances == count)
        try archive.settled(within: 60)
        let status = try archive.status()
        #expect((status.rejected, status.incoming.pending) == (0, 0))
    }

    @Test(
        """
        A cp that is killed while close() waits for a slow zip archive is gone within a second, \
        and the zip archive is unpacked all the same
        """,
        arguments: ["SIGKILL", "SIGINT"])
    func killed(_ name: String) throws {
        try MountedArchive.with { archive in
            try writeTiny(archive)
            try archive.python(
                Self.zips + """
                    write('slow.zip', 6000)
                    cp = subprocess.Popen(['cp', 'slow.zip', I])
                    unpacking('slow.zip')
                    # A signal that ends nobody is no reason.
                    cp.send_signal(signal.SIGCONT)
                    goes_on('slow.zip')
                    assert cp.poll() is None
                    cp.send_signal(signal.\(name))
                    assert ends(cp, 'slow.zip')
                    assert cp.returncode == -signal.\(name), cp.returncode
                    unpacking('slow.zip')
                    """, timeout: 120)
            try expectArchived(6_000, archive)
            try archive.unmount()
            try archive.mustShell("rm -rf ../volume1/blobs ../volume2/blobs", timeout: 300)
        }
    }

    @Test("close() of a program with a handler fails with EINTR, and what it wrote is archived")
    func handled() throws {
        try MountedArchive.with { archive in
            try writeTiny(archive)
            try archive.python(
                Self.zips + """
                    libc = ctypes.CDLL(None, use_errno=True)
                    write('slow.zip', 6000)
                    file = os.open(f'{I}/slow.zip', os.O_WRONLY | os.O_CREAT, 0o644)
                    os.write(file, open('slow.zip', 'rb').read())
                    signal.signal(signal.SIGALRM, lambda *_: None)
                    signal.setitimer(signal.ITIMER_REAL, 0.3)
                    result = libc.close(file)
                    assert (result, ctypes.get_errno()) == (-1, errno.EINTR), (result, \
                    ctypes.get_errno())
                    # It waited in vain for all of them.
                    unpacking('slow.zip')
                    assert unpacked('slow.zip') < 3000
                    try:
                        os.fstat(file)
                        raise AssertionError('it is still open')
                    except OSError as error: assert error.errno == errno.EBADF
                    """, timeout: 120)
            try expectArchived(6_000, archive)
        }
    }

    @Test(
        """
        A mv that is killed while it waits is gone within a second, and the file is renamed and \
        archived
        """
    )
    func renaming() throws {
        try MountedArchive.with { archive in
            try writeTiny(archive)
            try archive.python(
                Self.zips + """
                    # Small enough to be unpacked before RENAME answers.
                    write('slow.zip', 3500)
                    assert os.path.getsize('slow.zip') < 8 << 20, os.path.getsize('slow.zip')
                    subprocess.run(['cp', 'slow.zip', f'{I}/.slow.zip.Ab3dE6'], check=True)
                    mv = subprocess.Popen(['mv', f'{I}/.slow.zip.Ab3dE6', f'{I}/slow.zip'])
                    unpacking('.slow.zip.Ab3dE6')
                    mv.kill()
                    assert ends(mv, '.slow.zip.Ab3dE6')
                    """, timeout: 120)
            try expectArchived(3_500, archive)
        }
    }
}
