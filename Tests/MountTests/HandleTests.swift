import Glibc
import TestSupport
import Testing

/// Handles as an NFS server hands them to its clients: they come back with them whenever they like.
@Suite(
    "Handles of NFS", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: geteuid() == 0, "open_by_handle_at(2) is for root"))
struct HandleTests {
    private static let calls = """
        import ctypes, errno, hashlib, json
        libc = ctypes.CDLL(None, use_errno=True)
        class Handle(ctypes.Structure):
            _fields_ = [('size', ctypes.c_uint), ('type', ctypes.c_int), ('bytes', \
        ctypes.c_ubyte * 128)]
        def take(path):
            handle, mount = Handle(size=128), ctypes.c_int()
            if libc.name_to_handle_at(-100, os.fsencode(path), ctypes.byref(handle), \
        ctypes.byref(mount), 0):
                raise OSError(ctypes.get_errno(), path)
            return [handle.type, bytes(handle.bytes[:handle.size]).hex()]
        def describe(descriptor):
            status = os.fstat(descriptor)
            if os.path.isdir(descriptor):
                return [status.st_ino, sorted(os.listdir(descriptor))]
            return [status.st_ino, hashlib.sha256(os.read(descriptor, 1 << 20)).hexdigest()]
        def reopen(mount, handle):
            data = bytes.fromhex(handle[1])
            handle = Handle(size=len(data), type=handle[0], bytes=(ctypes.c_ubyte * 128)(*data))
            descriptor = libc.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY)
            if descriptor < 0:
                return errno.errorcode[ctypes.get_errno()]
            try:
                return describe(descriptor)
            finally:
                os.close(descriptor)
        def parents(mount, handle):
            data = bytes.fromhex(handle[1])
            handle = Handle(size=len(data), type=handle[0], bytes=(ctypes.c_ubyte * 128)(*data))
            descriptor = libc.open_by_handle_at(mount, ctypes.byref(handle), os.O_RDONLY | \
        os.O_DIRECTORY)
            return os.path.relpath(os.readlink(f'/proc/self/fd/{descriptor}'), M)

        """

    @Test(
        "A handle leads to the same file after the kernel has forgotten it, and after a restart",
        arguments: ReadMode.allCases)
    func handles(_ mode: ReadMode) throws {
        try MountedArchive.with(mode) { archive in
            try archive.importSamples()
            _ = try archive.python(
                Self.calls + """
                    os.mkdir(M + '/search/rex')
                    with open(I + '/note.txt', 'w') as file: file.write('x')
                    known, image = {}, None
                    for top in ['by-patient', 'by-uid', 'search']:
                        for folder, _, names in os.walk(M + '/' + top):
                            for name in [''] + names:
                                path = os.path.join(folder, name).rstrip('/')
                                descriptor = os.open(path, os.O_RDONLY)
                                known[path] = [take(path), describe(descriptor)]
                                os.close(descriptor)
                    for path in ['', '/README.txt']:
                        descriptor = os.open(M + path, os.O_RDONLY)
                        known[M + path] = [take(M + path), describe(descriptor)]
                        os.close(descriptor)
                    assert len(known) > 50, len(known)
                    passing = {I + '/note.txt': take(I + '/note.txt'), 'us': take(M + '/search/us')}
                    json.dump([known, passing], open('handles', 'w'))
                    """)
            let check =
                Self.calls + """
                    known, passing = json.load(open('handles'))
                    mount = os.open(M, os.O_RDONLY | os.O_DIRECTORY)
                    def check():
                        # Those farthest down first: the kernel has to find the way up by itself.
                        for path in sorted(known, key=len, reverse=True):
                            handle, expected = known[path]
                            found = reopen(mount, handle)
                            assert found == expected, (path, expected, found)

                    """
            _ = try archive.python(
                check + """
                    with open('/proc/sys/vm/drop_caches', 'w') as file: file.write('2')
                    deep = [path for path in known if '/by-patient/' in path and \
                    os.path.basename(path).startswith('00')][0]
                    check()
                    assert parents(mount, known[os.path.dirname(deep)][0]) == \
                    os.path.relpath(os.path.dirname(deep), M)
                    """)
            try archive.unmount()
            try archive.mount()
            _ = try archive.python(
                check + """
                    check()
                    for name, handle in passing.items():
                        assert reopen(mount, handle) == 'ESTALE', (name, reopen(mount, handle))
                    """)
        }
    }
}
