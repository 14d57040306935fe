import TestSupport
import Testing

/// Mounting, ending, crashing, and being told why something cannot be done.
@Suite(
    "The life of a mount", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct LifeTests {
    /// Expects exit code 2 and one clear sentence or two, in one line.
    private func expectRefused(
        _ run: ProgramRun, saying words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(run.code == 2 && !run.timedOut, "\(run.report)", sourceLocation: sourceLocation)
        #expect(run.output.isEmpty, "\(run.report)", sourceLocation: sourceLocation)
        let line = run.errors.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(line.count == 2 && line.last == "", "\(run.report)", sourceLocation: sourceLocation)
        #expect(
            run.errors.hasPrefix("pacsfs: ") && !run.errors.contains("Error"),
            sourceLocation: sourceLocation)
        for word in words {
            #expect(run.errors.contains(word), "\(run.report)", sourceLocation: sourceLocation)
        }
    }

    @Test(
        "A second mount of an archive is refused, whatever the mount point, and the first goes on")
    func secondMount() throws {
        try MountedArchive.with { archive in
            let other = archive.work + "/other"
            try archive.mustShell("mkdir other")
            let daemon = try #require(archive.daemon)
            expectRefused(
                try archive.pacsfs("mount", other), saying: archive.archive,
                "is mounted on \(archive.mountpoint) already, by process \(daemon)",
                "pacsfs unmount")
            expectRefused(
                try archive.pacsfs("mount", archive.mountpoint), saying: archive.mountpoint,
                "mounted already",
                "pacsfs unmount")
            expectRefused(
                try archive.pacsfs("mount", "--foreground", other),
                saying: "already, by process \(daemon)")
            #expect(archive.daemon == daemon)
            try archive.mustShell("ls \"$M/by-patient\"; rmdir other")
        }
    }

    @Test("A start waits for a daemon that was killed and whose threads have not all ended")
    func dying() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.python(
                """
                import re, time
                # The first thread ends, and another keeps the lock: so dies a daemon of which a
                # thread is in the kernel, in a call on a disk.
                dies = '''
                import ctypes, fcntl, os, platform, sys, threading
                lock = open(sys.argv[1], 'w')
                fcntl.flock(lock, fcntl.LOCK_EX)
                lock.write(str(os.getpid())); lock.flush()
                def last():
                    sys.stdin.read()
                    os._exit(9)
                threading.Thread(target=last).start()
                # exit(2), which ends one thread.
                number = {'x86_64': 60, 'aarch64': 93}[platform.machine()]
                ctypes.CDLL(None).syscall(number, 0)
                '''
                archive = os.environ['PACSFS_ARCHIVE']
                daemon = subprocess.Popen(
                    [sys.executable, '-c', dies, archive + '/lock'], stdin=subprocess.PIPE)
                while open(f'/proc/{daemon.pid}/cmdline').read(): time.sleep(0.01)
                start = subprocess.Popen(
                    [os.environ['PACSFS'], 'mount', M], stderr=subprocess.PIPE, text=True)
                said = start.stderr.readline()
                assert re.search(r'Waiting for .*process [0-9]+.* that still has', said), said
                assert start.poll() is None
                daemon.stdin.close()
                said = start.stderr.read()
                assert start.wait(30) == 0, said
                assert 'incoming' in os.listdir(M)
                """)
            try archive.unmount()
        }
    }

    @Test("A mount point that cannot be used is refused with the reason")
    func mountPoints() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.mustShell(
                "mkdir full; touch full/file; touch file; mkdir empty; ln -s empty link")
            let work = archive.work
            expectRefused(try archive.pacsfs("mount", "full"), saying: "\(work)/full is not empty")
            expectRefused(
                try archive.pacsfs("mount", "missing"), saying: "no directory \(work)/missing",
                "mkdir -p")
            expectRefused(
                try archive.pacsfs("mount", "file"), saying: "\(work)/file is not a directory")
            expectRefused(
                try archive.pacsfs("mount", archive.folder.path),
                saying: "lies in \(archive.folder.path)", "hidden")
            expectRefused(
                try archive.pacsfs("mount", archive.volumes[0]), saying: archive.volumes[0])
            expectRefused(try archive.pacsfs("mount", archive.archive), saying: archive.archive)
            expectRefused(
                try archive.pacsfs("mount", "empty", "--archive", "nowhere"),
                saying: "no archive in \(work)/nowhere",
                "pacsfs init")
            expectRefused(
                try archive.pacsfs("unmount", "empty"),
                saying: "No archive is mounted on \(work)/empty")
            // The same by way of links, and the other way round.
            try archive.mustShell("ln -s ../volume1 disk; mkdir ../volume1/mnt")
            expectRefused(
                try archive.pacsfs("mount", "disk/mnt"),
                saying: "\(archive.volumes[0])/mnt lies in the volume")
            try archive.mustShell(
                """
                rmdir ../volume1/mnt; mkdir empty/v; mv ../volume1 empty/v/; ln -s \
                work/empty/v/volume1 ..
                """
            )
            expectRefused(
                try archive.pacsfs("mount", "empty"),
                saying: "\(work)/empty/v/volume1 belongs to the archive")
            try archive.mustShell(
                """
                rm ../volume1; mv empty/v/volume1 ..; rmdir empty/v; ln -s ../work/empty/log \
                ../archive/pacsfs.log
                """
            )
            expectRefused(
                try archive.pacsfs("mount", "empty"),
                saying: "\(work)/empty/log belongs to the archive")
            try archive.mustShell("rm ../archive/pacsfs.log")
            #expect(archive.daemon == nil)
            #expect(!archive.isMounted)
            // A relative path and a link are fine.
            try archive.mustShell(
                "\"$PACSFS\" mount link; ls link/README.txt; \"$PACSFS\" unmount empty")
        }
    }

    @Test(
        "After kill -9 the same mount point can be mounted again, and nothing is lost",
        arguments: ReadMode.allCases)
    func crash(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            let images = try archive.writeImages(4)
            try archive.mustShell(
                """
                cp 1.dcm \"$I/\"; mkdir \"$I/folder\"; cp 2.dcm \"$I/folder/\"; cp 3.dcm \
                \"$I/c.dcm.part\"; echo text >\"$I/a.txt\"
                """
            )
            try archive.killDaemon()
            let dead = try archive.shell("ls \"$M\"")
            // ENOTCONN; ECONNABORTED for whom it happens to while he asks.
            let answers = [
                "Transport endpoint is not connected", "Software caused connection abort",
            ]
            #expect(answers.contains { dead.errors.contains($0) }, "\(dead.report)")
            // Nobody has to clear anything away.
            try archive.mount()
            for image in images[..<2] { try archive.expectArchived(image) }
            try archive.expectUnknown(images[2])
            try archive.mustShell(
                "cmp 3.dcm \"$I/c.dcm.part\"; mv \"$I/c.dcm.part\" \"$I/c.dcm\"; cp 4.dcm \"$I/\"")
            for image in images { try archive.expectArchived(image) }
            try archive.settled()
            let status = try archive.status()
            #expect(
                (
                    status.instances, status.rejected, status.copies.underReplicated,
                    status.incoming.pending
                )
                    == (4, 1, 0, 0))
            #expect(
                try LedgerVerdict(volume: archive.volumes[0])
                    == LedgerVerdict(volume: archive.volumes[1]))
            #expect(try LedgerVerdict(volume: archive.volumes[0]).fault == nil)
        }
    }

    @Test("After kill -9, unmount takes the dead mount away")
    func unmountDead() throws {
        try MountedArchive.with { archive in
            try archive.killDaemon()
            let run = try archive.pacsfs("unmount", archive.mountpoint)
            #expect(run.succeeded && run.output.contains("daemon had died"), "\(run.report)")
            #expect(!archive.isMounted)
            try archive.mount()
        }
    }

    @Test("unmount returns when the daemon has gone, and the archive can be used at once")
    func unmount() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            for _ in 1...5 {
                try #require(archive.daemon != nil)
                try archive.unmount()
                #expect(archive.daemon == nil && !archive.isMounted)
                #expect(try archive.status().instances == 17)
                #expect(!Files.exists(archive.archive + "/control.sock"))
                try archive.mount()
            }
        }
    }

    @Test(
        "unmount while a file is open says who uses it, and works when that has ended",
        arguments: ReadMode.allCases)
    func inUse(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            try archive.importSamples()
            for place in [
                "exec 3<\"$(find \"$M/by-id\" -type f | head -1)\"", "cd \"$M/by-patient\"",
                "exec 3>\"$I/new.part\"",
            ] {
                let run = try archive.shell(
                    "\(place); echo $$; \"$PACSFS\" unmount \"$M\" || exit $?")
                #expect(run.code == 2, "\(run.report)")
                let process = try #require(run.lines.first)
                #expect(run.errors.contains("\(archive.mountpoint) is in use by"), "\(run.report)")
                #expect(run.errors.contains("bash (process \(process))"), "\(run.report)")
                #expect(archive.isMounted)
                try archive.mustShell("test \"$(find \"$M/by-id\" -type f | wc -l)\" = 17")
            }
            try archive.unmount()
            try archive.mount()
            try archive.mustShell("rm \"$I/new.part\"")
        }
    }

    @Test(
        """
        What waits in incoming at an unmount is still there at the next mount, and is archived \
        then
        """
    )
    func pendingOverUnmount() throws {
        try MountedArchive.with { archive in
            let images = try archive.writeImages(3)
            try archive.mustShell(
                """
                cp 1.dcm \"$I/\"; cp 2.dcm \"$I/b.dcm.part\"; mkdir -p \"$I/deep/er\"; cp 3.dcm \
                \"$I/deep/er/.c.dcm.a1b2c3\"
                """
            )
            try archive.unmount()
            try archive.expectArchived(images[0])
            #expect(try archive.status().incoming.pending == 2)
            try archive.mount()
            #expect(try archive.status().incoming.pending == 2)
            try archive.mustShell(
                """
                mv \"$I/b.dcm.part\" \"$I/b.dcm\"; mv \"$I/deep/er/.c.dcm.a1b2c3\" \
                \"$I/deep/er/c.dcm\"
                """
            )
            for image in images { try archive.expectArchived(image) }
            try archive.settled()
        }
    }

    @Test(
        """
        While a volume is absent images can be read and none is taken; when it is back, both are \
        possible
        """
    )
    func absentVolume() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            try archive.writeImages()
            try archive.mustShell("printf changed >>1.dcm")
            let image = archive.work + "/1.dcm"
            try archive.unmount()
            try archive.mustShell("mv ../volume2 ../elsewhere; mkdir ../volume2")
            let mounted = try archive.pacsfs("mount", archive.mountpoint)
            #expect(
                mounted.succeeded
                    && mounted.output.contains(
                        """
                        \nNote: 2 copies of each image are wanted, and only one volume takes \
                        files: new images are refused. Bring back \(archive.volumes[1])
                        """
                    ), "\(mounted.report)")
            let status = try archive.pacsfs("status", "--json")
            #expect(status.code == 1, "\(status.report)")
            // It has no identity now.
            #expect(status.output.contains("\"state\" : \"absent\""), "\(status.report)")
            let human = try archive.pacsfs("status")
            #expect(
                human.lines.first?.hasPrefix("NOT SAFE: \(archive.volumes[1]) is absent") == true
                    && human.lines.first?.contains("New ones are refused") == true)
            #expect(try Files.digests(below: archive.mountpoint + "/by-date").count == 17)
            let refused = try archive.shell("cp 1.dcm \"$I/\"")
            #expect(
                refused.code != 0 && refused.errors.contains("Input/output error"),
                "\(refused.report)")
            let imported = try archive.pacsfs("import", image)
            #expect(imported.code == 2, "\(imported.report)")
            try archive.expectUnknown(image)
            // Nothing was written to what only looks like the volume.
            #expect(try archive.mustShell("ls -A ../volume2").output.isEmpty)
            try archive.unmount()
            try archive.mustShell("rmdir ../volume2; mv ../elsewhere ../volume2")
            try archive.mount()
            try archive.mustShell("cp 1.dcm \"$I/\"")
            try archive.expectArchived(image)
            #expect(try archive.status().copies.underReplicated == 0)
        }
    }

    @Test("mount --foreground serves until it is unmounted, and ends on SIGTERM")
    func foreground() throws {
        try MountedArchive.with(isMounted: false) { archive in
            for end in ["\"$PACSFS\" unmount \"$M\"", "kill -TERM $daemon"] {
                let run = try archive.shell(
                    """
                    "$PACSFS" mount --foreground "$M" >log 2>&1 & daemon=$!
                    for step in $(seq 600); do test -e "$M/README.txt" && break; sleep 0.1; done
                    test -e "$M/README.txt"
                    \(end)
                    wait $daemon
                    test ! -e "$M/README.txt"
                    """, timeout: 100)
                #expect(run.succeeded, "\(run.report)")
                #expect(!archive.isMounted)
            }
        }
    }

    @Test("A log that has grown large is begun anew while the daemon runs, and no line is lost")
    func logRotation() throws {
        try MountedArchive.with { archive in
            let log = archive.archive + "/pacsfs.log"
            try archive.mustShell(
                """
                set_settle() { sed -i "s/^settle = .*/settle = $1/" ../archive/pacsfs.toml; \
                "$PACSFS" reload >/dev/null; }
                truncate -s 11M ../archive/pacsfs.log
                set_settle 2; set_settle 3; set_settle 4
                # Nor when somebody else has moved it away.
                truncate -s 11M ../archive/pacsfs.log; mv ../archive/pacsfs.log moved
                set_settle 5; set_settle 6
                grep -ac 'Changed: settle' moved ../archive/pacsfs.log.1 ../archive/pacsfs.log \
                >counts || true
                test "$(cut -d: -f2 counts | tr '\\n' ' ')" = '3 1 1 '
                grep -aq 'Mounted' ../archive/pacsfs.log.1
                test "$(stat -c '%a' ../archive/pacsfs.log)" = 600
                """)
            #expect(try Files.read(log).count < 1 << 20)
        }
    }
}
