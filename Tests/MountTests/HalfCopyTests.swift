import TestSupport
import Testing

/// Copies that were broken off without anybody noticing.
@Suite(
    "Half copies", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct HalfCopyTests {
    private static let hasServer =
        (try? ProgramRun(["bash", "-c", "test -x /usr/sbin/sshd && command -v sftp ssh-keygen"]))?
        .succeeded == true

    @Test(
        """
        When an sftp client dies its server closes half a file: it is rejected, and archived \
        when it is moved back
        """,
        .enabled(if: hasServer, "there is no sshd, or no sftp"))
    func secureShell() throws {
        try MountedArchive.with { archive in
            try archive.writeImages()
            try archive.python(
                """
                import re, signal, struct, time
                # An image with so many frames that it takes a while.
                data = open('1.dcm', 'rb').read()
                pixels = data.rindex(b'\\xe0\\x7f\\x10\\x00OW')
                size = 24 << 20
                with open('large.dcm', 'wb') as file:
                    file.write(data[:pixels + 8] + struct.pack('<I', size) + os.urandom(1 << 20) \
                * 24)
                os.umask(0o077)
                os.mkdir('ssh')
                for name in ('host', 'key'): subprocess.run(['ssh-keygen', '-q', '-t', \
                'ed25519', '-N', '', '-f', f'ssh/{name}'], check=True)
                here = os.getcwd()
                with open('ssh/config', 'w') as file:
                    file.write(f'HostKey {here}/ssh/host\\nAuthorizedKeysFile \
                {here}/ssh/key.pub\\nStrictModes no\\nUsePAM no\\nPidFile none\\nSubsystem sftp \
                internal-sftp\\n')
                if os.getuid() == 0: os.makedirs('/run/sshd', exist_ok=True)
                command = ['sftp', '-q', '-b', '-', '-F', 'none', '-i', 'ssh/key', '-o', \
                'StrictHostKeyChecking=no',
                    '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR', '-o', \
                f'ProxyCommand=/usr/sbin/sshd -i -f {here}/ssh/config',
                    '-l', '80000', subprocess.run(['id', '-un'], capture_output=True, \
                text=True).stdout.strip() + '@archive']
                client = subprocess.Popen(command, stdin=subprocess.PIPE, \
                stdout=subprocess.DEVNULL, start_new_session=True)
                name = f'{I}/half.dcm'
                client.stdin.write(f'put large.dcm "{name}"\\n'.encode()); client.stdin.close()
                while not os.path.exists(name) or os.stat(name).st_size < 2 << 20: time.sleep(0.01)
                client.kill(); client.wait()
                def reason():
                    try: return os.getxattr(name, 'user.pacsfs.reason').decode()
                    except FileNotFoundError: return 'gone'
                while 'open' in reason() or 'On its way' in reason(): time.sleep(0.01)
                # It may have been set aside by now, which is looked at below.
                said = reason()
                assert said == 'gone' or re.match(r'Will be set aside: This image is cut off: \
                the pixels end after [0-9]+ of 25165824 bytes', said), said
                """)
            #expect(try archive.status().instances == 0)
            try archive.settled()
            #expect(try archive.status().instances == 0)
            // A user who has no better copy keeps it, and a whole file is not confused with it.
            try archive.mustShell(
                """
                cd "$M/rejected"/*; grep -q 'cut off: the pixels end after [0-9]* of 25165824 \
                bytes' half.dcm.reason.txt
                cmp half.dcm <(head -c "$(stat -c %s half.dcm)" "$OLDPWD/large.dcm")
                mv half.dcm "$I/"; cd - >/dev/null
                cp large.dcm "$I/"; head -c 12000000 large.dcm >old.dcm; "$PACSFS" import old.dcm
                """)
            #expect(try archive.status().instances == 3)
            try archive.expectArchived(archive.work + "/large.dcm")
            try archive.expectArchived(archive.work + "/old.dcm")
            try archive.settled()
            #expect(try archive.status().rejected == 0)
        }
    }
}
