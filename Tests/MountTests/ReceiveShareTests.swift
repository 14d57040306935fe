import Glibc
import TestSupport
import Testing

/// Senders, and others, who keep associations from those who need them.
@Suite(
    "Places of DICOM senders", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: geteuid() == 0, "only root can become another user"))
struct ReceiveShareTests {
    /// `enter(address)` is an association from an address of this machine: 2 when it was accepted,
    /// 3 when it was refused, with the reason.
    private static let entering = #"""
        import socket, subprocess, sys, time
        from scu import *
        def connect(address, data=b''):
            connection = socket.socket()
            connection.settimeout(30)
            connection.bind((address, 0))
            connection.connect(('127.0.0.1', int(os.environ['port'])))
            connection.sendall(data)
            return connection
        class From(Association):
            def __init__(self, address):
                create = socket.create_connection
                socket.create_connection = lambda *_, **__: connect(address)
                try: super().__init__('1.2.840.10008.5.1.4.1.1.2', ['1.2.840.10008.1.2.1'])
                finally: socket.create_connection = create
        def refusal(address):
            try: From(address)
            except Refused as refused: return refused.args
            return None
        def eventually(condition, seconds=60):
            end = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < end, 'not in time'
                time.sleep(0.05)

        """#

    @Test("An address that takes all places leaves some to others, and silent ones give theirs up")
    func places() throws {
        try MountedArchive.with { archive in
            let script =
                Self.entering + #"""
                    # One byte each, and nothing more.
                    silent = [connect('127.0.0.1', b'\1') for _ in range(64)]
                    begin = time.monotonic()
                    for address in ('127.0.0.2', '127.0.0.3'):
                        From(address).release()
                    assert time.monotonic() - begin < 20
                    # Who has the same address gets in when some have been silent for a second.
                    eventually(lambda: refusal('127.0.0.1') is None, 60)
                    for connection in silent: connection.close()
                    """#
            try Files.write(Array(script.utf8), to: archive.work + "/test.py")
            try archive.receiving("python3 test.py", timeout: 60)
        }
    }

    @Test(
        """
        Associations that are idle give up their places when these are short; whoever is refused \
        learns that it is for now
        """
    )
    func idle() throws {
        try MountedArchive.with { archive in
            let refused =
                Self.entering + #"""
                    # Of six places an address gets three, and another one two of the rest.
                    idle = [From('127.0.0.1') for _ in range(3)]
                    others = [From('127.0.0.2') for _ in range(2)]
                    # A-ASSOCIATE-RJ: transient, by the presentation layer, local limit exceeded
                    # (PS3.8 section 9.3.4).
                    for address in ('127.0.0.1', '127.0.0.2'):
                        assert refusal(address) == ('association', 3, bytes([0, 2, 3, 2]))
                    assert open('receive.log').read().count('was refused') == 2
                    third = From('127.0.0.3')
                    assert refusal('127.0.0.4') == ('association', 3, bytes([0, 2, 3, 2]))
                    """#
            try Files.write(Array(refused.utf8), to: archive.work + "/refused.py")
            try archive.receiving("python3 refused.py", options: "--places 6", timeout: 60)
            let idle =
                Self.entering + #"""
                    held = [From(f'127.0.0.{number}') for number in (1, 1, 1, 2, 2, 3)]
                    eventually(lambda: refusal('127.0.0.4') is None)
                    assert 'was silent for too long' in open('receive.log').read()
                    """#
            try Files.write(Array(idle.utf8), to: archive.work + "/idle.py")
            try archive.receiving(
                "python3 idle.py", options: "--places 6 --patience 2", timeout: 60)
        }
    }

    @Test("Nobody else can take the name of the folder for received images")
    func folder() throws {
        try MountedArchive.with { archive in
            try archive.writeImages(2)
            let script =
                Self.entering + #"""
                    from tools import *
                    os.chmod('..', 0o755)
                    def send(number):
                        data = open(f'{number}.dcm', 'rb').read()
                        place, meta = header(data)
                        association = Association(meta[2], [meta[0x10]])
                        assert association.store(meta[3], data[place:]) == 0
                        association.release()
                        assert len(versions(meta[3])) == 1
                    nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
                    name = M + '/incoming/receive PACS'
                    # A file that somebody holds open.
                    holder = subprocess.Popen(
                        [*nobody, 'bash', '-c', 'exec 3>"$0"; echo; sleep 60', name],
                        stdout=subprocess.PIPE)
                    holder.stdout.readline()
                    assert os.path.isfile(name)
                    send(1)
                    holder.kill(); holder.wait()
                    eventually(lambda: not os.path.lexists(name))
                    # A folder that its owner could move away.
                    subprocess.run([*nobody, 'mkdir', name], check=True)
                    send(2)
                    assert os.listdir(name) == []
                    """#
            try Files.write(Array(script.utf8), to: archive.work + "/test.py")
            try archive.receiving("python3 test.py", timeout: 60)
        }
    }
}
