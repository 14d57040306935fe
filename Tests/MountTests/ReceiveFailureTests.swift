import Foundation
import TestSupport
import SyntheticStudy
import Testing

/// What a DICOM sender is told while disks fail and daemons die: never that an image is stored
/// which is not.
@Suite(
    "Receiving while something fails", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: LosableDisk.isPossible, "loop devices need root"))
struct ReceiveFailureTests {
    /// Sends images one after the other, each in an association of its own; `middle` is called
    /// when half of one is sent.
    private static let sending = #"""
        import fcntl, glob, signal, subprocess, time
        from scu import *
        from tools import *
        sources = iter(sorted(glob.glob('images/*.dcm')))
        told = []
        def send(middle=lambda: None, path=None):
            """The status that the sender was told, `None` when the association broke. What is \#
        told to be
            stored is on both volumes and in the views at this moment."""
            data = open(path or next(sources), 'rb').read()
            place, meta = header(data)
            half = (len(data) - place) // 4 * 2
            try:
                association = Association(meta[2], ['1.2.840.10008.1.2.1'])
                association.begin(meta[3])
                association.data(data[place:place + half], isLast=False)
                middle()
                association.data(data[place + half:])
                status = association.status()
            except (ConnectionError, Refused) as error: return None
            if status == 0:
                found = [path for path in versions(meta[3]) if both(path).endswith(data[place:])]
                assert len(found) == 1, (meta[3], found)
                told.append(meta[3])
            else:
                assert versions(meta[3]) == []
                association.release()
            return status
        def eventually(condition, seconds=40):
            end = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < end, 'not in time'
                time.sleep(0.1)
        def bash(script, *arguments):
            subprocess.run(['bash', '-euo', 'pipefail', '-c', script, *arguments], check=True, \#
        stdout=subprocess.DEVNULL)
        def fill(volume):
            room = os.statvfs(volume)
            bash('fallocate -l $1 "$0"; cat /dev/zero >>"$0" 2>/dev/null || true', volume + \#
        '/filler',
                 str(max(4096, room.f_bavail * room.f_frsize - (1 << 20))))
            # What the daemon lets go of meanwhile is filled too.
            def isFull():
                bash('cat /dev/zero >>"$0" 2>/dev/null || true', volume + '/filler')
                return os.statvfs(volume).f_bavail < 16
            eventually(isFull)
        def pull(volume):
            # EXT4_IOC_SHUTDOWN (linux/ext4.h)
            disk = os.open(volume, os.O_RDONLY)
            fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 1))
            os.close(disk)
        outOfResources = 0xA700

        """#

    private func withDisks(_ body: (MountedArchive) throws -> Void) throws {
        var disks: [LosableDisk] = []
        defer { for disk in disks { disk.unmount() } }
        try MountedArchive.with(
            prepare: { archive in
                for path in archive.volumes { disks.append(try LosableDisk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            for (folder, seed, side) in [("images", UInt64(9), 256), ("tiny", 10, 8)] {
                let study = SyntheticStudy(
                    seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: 16,
                    side: side)
                for (number, image) in study.images().enumerated() {
                    try Files.write(
                        image.write(), to: "\(archive.work)/\(folder)/\(100 + number).dcm")
                }
            }
            try body(archive)
        }
    }

    @Test(
        "No sender is told that an image is stored when disks are full or gone, or the daemon dies")
    func told() throws {
        try withDisks { archive in
            let script =
                Self.sending + #"""
                    assert send() == 0
                    # Full in the middle: the volume with the second copy, then the one that is \#
                    written to.
                    for volume in (V2, V1):
                        assert send(lambda: fill(volume)) == outOfResources
                        # Without room for a folder, the association is turned away.
                        assert send() in (outOfResources, None)
                        os.unlink(volume + '/filler')
                        assert send() == 0
                    # The last bytes of a small image are written when storescp closes it; it \#
                    does not look
                    # whether that succeeds.
                    assert os.path.getsize('tiny/100.dcm') < 4096
                    assert send(lambda: fill(V1), 'tiny/100.dcm') == outOfResources
                    os.unlink(V1 + '/filler')
                    assert send(path='tiny/100.dcm') == 0
                    # The daemon dies in the middle; nobody is let in until it is back.
                    assert send(lambda: os.kill(int(open('../archive/lock').read().strip()), \#
                    signal.SIGKILL)) != 0
                    try: Association('1.2.840.10008.5.1.4.1.1.2', ['1.2.840.10008.1.2.1']); \#
                    assert False
                    except Refused as refused: assert refused.args[:2] == ('association', 3)
                    bash('"$PACSFS" mount "$M" >/dev/null')
                    assert send() == 0
                    # The second copy's disk is pulled in the middle.
                    assert send(lambda: pull(V2)) not in (0, None)
                    assert send() not in (0, None)
                    bash('umount -l "$0"; until ! losetup -j "$0.image" | grep -q .; do sleep \#
                    0.1; done; '
                         'PATH=/usr/sbin:/sbin:$PATH; e2fsck -fy "$0.image" >/dev/null 2>&1 || \#
                    (($? < 4)); mount -o loop "$0.image" "$0"', V2)
                    eventually(lambda: send(path='tiny/101.dcm') == 0)
                    for uid in told: assert both(versions(uid)[0])
                    print(len(told))
                    """#
            try Files.write(Array(script.utf8), to: archive.work + "/test.py")
            let run = try archive.receiving("python3 test.py", timeout: 120)
            #expect(run.output == "6\n")
            // What the sender was told is logged.
            let log = try Files.text(archive.work + "/receive.log")
            #expect(
                log.contains("; see \"pacsfs status\"") && log.contains("is not mounted"), "\(log)")
            try archive.unmount()
        }
    }

    @Test("Without a mount, a free port or storescp there is one sentence that says what to do")
    func starting() throws {
        try MountedArchive.with(isMounted: false) { archive in
            func fails(_ arguments: String..., environment: [String: String] = [:]) throws -> String
            {
                let run = try ProgramRun(
                    [try #require(PacsfsProgram.path), "receive", "--archive", archive.archive]
                        + arguments,
                    environment: environment, timeout: 10)
                #expect(run.code == 2 && run.output.isEmpty, "\(run.report)")
                return run.errors
            }
            #expect(
                try fails().contains(
                    "is not mounted. Mount it first: pacsfs mount DIR --archive \(archive.archive)")
            )
            try archive.mount()
            #expect(
                try fails(environment: ["PATH": "/nowhere:/bin-that-is-not"]).contains(
                    "apt-get install dcmtk"))
            #expect(try fails("--bind", "somewhere").contains("somewhere is not an IP address"))
            #expect(
                try fails("--bind", "192.0.2.1").contains("does not have the address 192.0.2.1"))
            try archive.receiving(
                """
                "$PACSFS" receive --port $port --bind 127.0.0.1 2>second.log && exit 1
                grep -q "Port $port is in use" second.log
                """)
        }
    }
}
