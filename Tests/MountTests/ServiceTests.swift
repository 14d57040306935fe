import Glibc
import TestSupport
import Testing

/// The daemon as systemd starts, watches and ends it; no systemd is needed.
@Suite(
    "The daemon as a service", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ServiceTests {
    /// Starts the daemon in the foreground with a socket for `READY=1`, and prints its messages.
    private static let listener = """
        import socket, time, signal
        def serve(address, variables, until, **options):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listener.bind(('\\0' + address[1:]) if address[0] == '@' else address)
            listener.settimeout(20)
            environment = dict(os.environ, NOTIFY_SOCKET=address, **variables)
            daemon = subprocess.Popen(
                [os.environ['PACSFS'], 'mount', '--foreground', M], env=environment, **options)
            heard = []
            try:
                while not until(heard):
                    heard += listener.recv(4096).decode().split('\\n')
                    if 'READY=1' in heard: assert os.path.exists(M + '/README.txt')
                daemon.send_signal(signal.SIGTERM)
                assert daemon.wait(20) == 0
                listener.settimeout(0.01)
                try:
                    while True: heard += listener.recv(4096).decode().split('\\n')
                except TimeoutError: pass
            finally:
                if daemon.poll() is None: daemon.kill(); daemon.wait()
            return heard

        """

    @Test("systemd learns that it is ready, lives and ends, and journald how urgent a line is")
    func notification() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.python(
                Self.listener + """
                    heard = serve(os.getcwd() + '/notify', {'WATCHDOG_USEC': '200000'}, lambda \
                    heard: heard.count('WATCHDOG=1') > 2)
                    assert heard[:2] == ['READY=1', 'STATUS=Shows ' + \
                    os.environ['PACSFS_ARCHIVE'] + ' on ' + M], heard
                    assert heard[-2:] == ['STOPPING=1', 'STATUS=Finishing what is under way'], heard

                    # An abstract name; and a watchdog that another process is to feed.
                    with open('log', 'w') as log:
                        status = os.fstat(log.fileno())
                        variables = {'WATCHDOG_USEC': '1000', 'WATCHDOG_PID': '1', \
                    'JOURNAL_STREAM': f'{status.st_dev}:{status.st_ino}'}
                        heard = serve(f'@pacsfs-test-{os.getpid()}', variables, lambda heard: \
                    'READY=1' in heard, stderr=log)
                    assert heard[0] == 'READY=1' and 'STOPPING=1' in heard and 'WATCHDOG=1' not \
                    in heard, heard
                    lines = open('log').read().splitlines()
                    assert lines[0].startswith('<5>Mounted ') and all(line[0] == '<' for line in \
                    lines), lines

                    # Only what the mount answers counts: here the program that asks it fails, \
                    then hangs.
                    os.mkdir('bin')
                    for answer in ['exit 1', 'exec sleep 30']:
                        with open('bin/stat', 'w') as script: script.write('#!/bin/sh\\ntouch \
                    asked\\n' + answer + '\\n')
                        os.chmod('bin/stat', 0o755)
                        variables = {'WATCHDOG_USEC': '100000', 'PATH': os.getcwd() + '/bin:' + \
                    os.environ['PATH']}
                        begun = time.monotonic()
                        def asked(heard):
                            if 'READY=1' in heard: time.sleep(0.3)
                            return 'READY=1' in heard
                        heard = serve(os.getcwd() + '/notify' + answer[:4], variables, asked)
                        assert 'WATCHDOG=1' not in heard and 'STOPPING=1' in heard, heard
                    # A stream that is another's: lines with the time.
                    with open('log', 'w') as log:
                        serve(os.getcwd() + '/other', {'JOURNAL_STREAM': '1:2'}, lambda heard: \
                    'READY=1' in heard, stderr=log)
                    assert open('log').read().startswith('20'), open('log').read()
                    """)
        }
    }

    @Test(
        """
        SIGTERM while programs write: acknowledged images are safe, and the programs learn of \
        the rest
        """
    )
    func termination() throws {
        try MountedArchive.with { archive in
            try archive.writeSamples()
            let daemon = try #require(archive.daemon)
            // Each image many times: bytes after its end make it another one.
            try archive.mustShell(
                """
                mapfile -t files < <(find samples -type f)
                writer() {
                    for round in $(seq 200); do
                        for file in "${files[@]}"; do
                            { cat "$file"; echo "$1 $round"; } >"new-$1"
                            digest=$(sha256sum <"new-$1")
                            cp "new-$1" "$I/$1-$round-${file##*/}" 2>/dev/null && echo \
                "${digest%% *}" >>"safe-$1" || return 0
                        done
                    done
                    return 1
                }
                for number in 1 2 3; do writer $number & writers+=($!); done
                while test "$(cat safe-* 2>/dev/null | wc -l)" -lt 20; do sleep 0.02; done
                kill -TERM \(daemon)
                for process in "${writers[@]}"; do wait "$process"; done
                while grep -q . /proc/\(daemon)/cmdline 2>/dev/null; do sleep 0.02; done
                """)
            #expect(!archive.isMounted)
            let safe = try archive.mustShell("cat safe-*").lines
            #expect(safe.count >= 20)
            for digest in safe {
                for volume in archive.volumes {
                    let blob =
                        blobPath(digest, on: volume)
                    #expect(Files.exists(blob), "\(digest) was said to be safe")
                }
            }
            let verdict = try archive.pacsfs("verify")
            #expect(verdict.succeeded, "\(verdict.report)")
        }
    }

    @Test(
        """
        A mount that was just ended by umount can be made again at once, and a log grows to a \
        limit only
        """
    )
    func again() throws {
        try MountedArchive.with { archive in
            try archive.mustShell("cp /bin/ls \"$I/no-image\"")
            for _ in 0..<4 {
                try archive.mustShell(
                    "fusermount3 -u \"$M\"; \"$PACSFS\" mount \"$M\" && ls \"$M/incoming\"")
            }
            let daemon = try #require(archive.daemon)
            try archive.unmount()
            // It may have one more line to write.
            try archive.mustShell(
                """
                while grep -q . /proc/\(daemon)/cmdline 2>/dev/null; do sleep 0.02; done
                truncate -s 11M ../archive/pacsfs.log; echo old >../archive/pacsfs.log.1
                """)
            try archive.mount()
            try archive.mustShell(
                """
                test "$(stat -c %s ../archive/pacsfs.log.1)" = $((11 << 20))
                test "$(stat -c %s ../archive/pacsfs.log)" -lt 1000
                grep -q Mounted ../archive/pacsfs.log
                """)
        }
    }
}
