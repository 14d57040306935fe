import TestSupport
import Testing

extension MountedArchive {
    /// Runs a script in bash while `pacsfs receive` runs, which stops when the script ends.
    /// `$port` is its port, `$receive` its process; its messages are in `receive.log`. `$SCU` is
    /// ``Receiving/storageUser``, and `tools` a Python module that checks the result.
    @discardableResult
    func receiving(
        _ script: String, _ environment: [String: String] = [:], options: String = "",
        timeout: Double = 60, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ProgramRun {
        try Files.write(Array(Receiving.storageUser.utf8), to: work + "/scu.py")
        try Files.write(Array(Receiving.tools.utf8), to: work + "/tools.py")
        let variables = [
            "V1": volumes[0], "V2": volumes[1], "TCP_NODELAY": "1", "PYTHONDONTWRITEBYTECODE": "1",
        ]
        return try mustShell(
            Receiving.start(options) + script, variables.merging(environment) { $1 },
            timeout: timeout, sourceLocation: sourceLocation)
    }
}

enum Receiving {
    static func start(_ options: String) -> String {
        """
        : >receive.log
        "$PACSFS" receive --port 0 --aet PACS --bind 127.0.0.1 \(options) 2>receive.log & receive=$!
        trap 'kill $receive 2>/dev/null && wait $receive' EXIT
        until port=$(sed -n 's/.* receives on port \\([0-9]*\\),.*/\\1/p' receive.log) && [[ \
        $port ]]; do
            kill -0 $receive; sleep 0.02
        done
        export port receive

        """
    }

    /// A DICOM sender that can do more than others: it sends any bytes as any SOP class in any
    /// transfer syntax, and can stop in the middle.
    static let storageUser = #"""
        import os, socket, struct
        class Refused(Exception): pass
        def item(kind, value): return struct.pack('>BBH', kind, 0, len(value)) + value
        class Association:
            def __init__(self, sop, syntaxes, calling='RAW', called='PACS', longest=16384):
                self.sop, self.messages = sop, 0
                self.socket = socket.create_connection(('127.0.0.1', int(os.environ['port'])), \#
        timeout=30)
                context = item(0x20, bytes([1, 0, 0, 0]) + item(0x30, sop.encode())
                               + b''.join(item(0x40, uid.encode()) for uid in syntaxes))
                user = item(0x50, item(0x51, struct.pack('>I', longest)) + item(0x52, b'1.2.3.4'))
                self.send(1, struct.pack('>HH', 1, 0) + called.ljust(16).encode() + \#
        calling.ljust(16).encode()
                          + bytes(32) + item(0x10, b'1.2.840.10008.3.1.1.1') + context + user)
                kind, answer = self.unit()
                if kind != 2: raise Refused('association', kind, answer)
                place = 68
                while place < len(answer):
                    what, _, length = struct.unpack('>BBH', answer[place:place + 4])
                    if what == 0x21:
                        if answer[place + 6]: raise Refused('context', answer[place + 6])
                        self.syntax = answer[place + 12:place + 4 + length].rstrip(b'\0').decode()
                    place += 4 + length
            def send(self, kind, value): self.socket.sendall(struct.pack('>BBI', kind, 0, \#
        len(value)) + value)
            def take(self, count):
                data = b''
                while len(data) < count:
                    more = self.socket.recv(count - len(data))
                    if not more: raise ConnectionError('the other side hung up')
                    data += more
                return data
            def unit(self):
                kind, _, length = struct.unpack('>BBI', self.take(6))
                return kind, self.take(length)
            def begin(self, instance):
                self.messages += 1
                def element(number, value): return struct.pack('<HHI', 0, number, len(value)) + \#
        value
                def uid(text): return text.encode() + b'\0' * (len(text) % 2)
                def us(number): return struct.pack('<H', number)
                command = (element(2, uid(self.sop)) + element(0x100, us(1)) + element(0x110, \#
        us(self.messages))
                           + element(0x700, us(0)) + element(0x800, us(1)) + element(0x1000, \#
        uid(instance)))
                self.value(element(0, struct.pack('<I', len(command))) + command, 3)
            def value(self, data, control):
                self.send(4, struct.pack('>IBB', len(data) + 2, 1, control) + data)
            def data(self, data, isLast=True, step=16000):
                pieces = [data[i:i + step] for i in range(0, len(data), step)]
                for piece in pieces: self.value(piece, 2 if isLast and piece is pieces[-1] else 0)
            def status(self):
                kind, answer = self.unit()
                if kind != 4: raise ConnectionError(f'unit of type {kind}')
                place = 6
                while place < len(answer):
                    group, element, length = struct.unpack('<HHI', answer[place:place + 8])
                    if element == 0x900: return struct.unpack('<H', answer[place + 8:place + 10])[0]
                    place += 8 + length
            def store(self, instance, data):
                self.begin(instance)
                self.data(data)
                return self.status()
            def release(self):
                self.send(5, bytes(4))
                self.unit()
                self.socket.close()
        """#

    /// The fate of a file that was sent, as it is visible from outside.
    static let tools = #"""
        import glob, hashlib, os
        M, V1, V2 = (os.environ[name] for name in ('M', 'V1', 'V2'))
        def header(data):
            """Where group 0002 ends, and its elements."""
            place, elements = 132, {}
            assert data[128:132] == b'DICM'
            while data[place:place + 2] == b'\2\0':
                element = int.from_bytes(data[place + 2:place + 4], 'little')
                long = data[place + 4:place + 6] in (b'OB', b'OW', b'UN', b'UT', b'SQ')
                start = place + (12 if long else 8)
                length = int.from_bytes(data[start - 4 if long else start - 2:start], 'little')
                elements[element] = data[start:start + length].rstrip(b'\0 ').decode('latin-1')
                place = start + length
            return place, elements
        def versions(uid):
            """The files that views show of an image."""
            plain = glob.glob(f'{M}/by-uid/*/*/{glob.escape(uid)}.dcm')
            return plain + glob.glob(f'{M}/by-uid/*/*/{glob.escape(uid)} ~*.dcm')
        def both(path):
            """The bytes of a file of a view, which are on both volumes, whole."""
            data = open(path, 'rb').read()
            name = hashlib.sha256(data).hexdigest()
            for volume in (V1, V2):
                assert open(f'{volume}/blobs/{name[:2]}/{name[2:4]}/{name}.dcm', 'rb').read() \#
        == data, path
            return data
        """#
}
