import Foundation
import TestSupport
import Storage
import SyntheticStudy
import System
import Testing

/// The disk does not answer calls about one file of incoming. Everything else goes on as usual.
///
/// The kernel itself holds the lock of a folder while a name in it is made, renamed or removed,
/// so that others wait for that folder whatever the daemon does: where such a call hangs, the
/// other folders are used.
@Suite(
    "A disk that does not answer about one file", .serialized,
    .enabled(
        if: PacsfsProgram.canMount && PacsfsProgram.path != nil,
        "there is no /dev/fuse, or no pacsfs"))
struct HangTests {
    /// A call that hangs, and a program that waits for it.
    struct Case: Sendable, CustomStringConvertible {
        var description: String
        /// Of calls, as the interposer names them.
        var kinds: [String]
        /// Python, done before the disk hangs; `X` is the path of the file, `image` the bytes of
        /// one.
        var before = ""
        /// Python, which waits for the disk.
        var program: String
        /// Whether the kernel holds the lock of the folder meanwhile.
        var locksFolder = false
    }

    private static let cases = [
        Case(
            description: "writing to it", kinds: ["write"],
            program: "f = open(X, 'wb', 0); f.write(image); f.close()"),
        Case(
            description: "truncating it", kinds: ["truncate"],
            before: "open(X, 'wb').write(b'12345')", program: "os.truncate(X, 3)"),
        Case(
            description: "the copy before it is written again", kinds: ["copy", "clone"],
            before: "open(X, 'wb').write(image)",
            program: "f = open(X, 'r+b', 0); f.seek(3); f.write(b'12345'); f.close()"),
        Case(
            description: "opening it", kinds: ["open"],
            before: "open(X, 'wb').write(image)", program: "assert open(X, 'rb').read() == image"),
        Case(
            description: "making it durable", kinds: ["fsync", "fdatasync"],
            program: "f = open(X, 'wb', 0); f.write(image); os.fsync(f.fileno()); f.close()"),
        Case(
            description: "its second name, when it is archived", kinds: ["link"],
            program: "f = open(X, 'wb', 0); f.write(image); f.close()"),
        Case(
            description: "making it", kinds: ["create"],
            program: "f = open(X, 'wb', 0); f.write(image); f.close()", locksFolder: true),
        Case(
            description: "removing it", kinds: ["unlink"],
            before: "open(X, 'wb').write(image)", program: "os.unlink(X)", locksFolder: true),
        Case(
            description: "renaming it", kinds: ["rename"],
            before: "open(X + '.part', 'wb').write(b'12345')",
            program: "os.rename(X + '.part', X + '.tmp')", locksFolder: true),
    ]

    /// How much later than usual others may be, s.
    private static let delay = 0.1

    @Test("delays nobody who wants something else", arguments: cases)
    func hangs(_ hanging: Case) throws {
        let folder = try TemporaryFolder()
        let images = SyntheticStudy(seed: 3, imagesPerSeries: 24, side: 24).images().map {
            $0.write()
        }
        for (number, image) in images.enumerated() {
            try Files.write(image, to: "\(folder.path)/images/\(number)")
        }
        let mount = try CrashingMount(in: folder, number: 1)
        defer { mount.remove() }
        // Names stay while they are looked at.
        try mount.settle(after: 3600)
        let gate = folder.path + "/gate"
        let started = try mount.mount([
            .hang(name: "stuck/hung", kinds: hanging.kinds, gate: gate)
        ])
        try #require(started.succeeded, "\(started.report)")
        let run = Runner(mount)
        try run("os.mkdir(I + '/stuck'); os.mkdir(I + '/well')")
        try run(hanging.before)

        let usual = try Self.times(run, first: 0, looksAt: !hanging.locksFolder)
        try Files.write([], to: gate)
        let stuck = Monitor<Result<String, any Error>?>(nil)
        _ = try WorkerThread("stuck") {
            let result = Result { try run(hanging.program) }
            stuck.withLock(waking: .all) { $0 = result }
        }
        let ended = stuck.wait(until: SystemClock().now + 1_000_000_000) { $0 }
        #expect(ended == nil, "It did not hang.")
        let meanwhile = Result {
            let found = try Self.times(run, first: 10, looksAt: !hanging.locksFolder)
            if found.allSatisfy({ $1 <= usual[$0, default: 0] + Self.delay }) { return found }
            // Another test may have had the machine; what waits for the disk still hangs.
            let again = try Self.times(run, first: 15, looksAt: !hanging.locksFolder)
            return found.merging(again) { min($0, $1) }
        }
        #expect(stuck.withLock { $0 == nil }, "It did not hang any more.")
        unlink(gate)
        _ = try stuck.wait { $0 }.get()
        let found = try meanwhile.get()
        #expect(Set(found.keys) == Set(usual.keys))
        for (name, seconds) in found {
            let wanted = usual[name, default: 0]
            #expect(
                seconds <= wanted + Self.delay, "\(name) took \(seconds) s instead of \(wanted) s")
        }
        try mount.unmount()
    }

    /// Runs Python scripts that use a mount.
    private struct Runner: Sendable {
        let environment: [String: String]

        init(_ mount: CrashingMount) {
            environment = [
                "M": mount.mountpoint, "I": mount.mountpoint + "/incoming",
                "IMAGES": mount.folder.path + "/images",
                "PACSFS": PacsfsProgram.path ?? "pacsfs", "PACSFS_ARCHIVE": mount.archive,
            ]
        }

        /// - Returns: What the script has printed.
        @discardableResult
        func callAsFunction(_ script: String) throws -> String {
            let beginning = """
                import json, os, subprocess, time
                M, I, IMAGES = os.environ['M'], os.environ['I'], os.environ['IMAGES']
                X = I + '/stuck/hung'
                image = open(IMAGES + '/23', 'rb').read()

                """
            let run = try ProgramRun(
                ["python3", "-c", beginning + script], environment: environment, timeout: 60)
            guard run.succeeded else { throw ProgramError(description: run.report) }
            return run.output
        }
    }

    /// How long each operation takes, seconds: the best of five, because other tests may have the
    /// machine.
    ///
    /// - Parameters:
    ///   - first: The first image to be archived: none has been before.
    ///   - looksAt: Whether the folder of the file that hangs is looked at, too.
    private static func times(
        _ run: Runner, first: Int, looksAt: Bool
    ) throws -> [String: Double] {
        let output = try run(
            """
            W = I + '/well'
            def put(path, bytes):
                with open(path, 'wb', 0) as file: file.write(bytes)
            def first_image():
                for folder, _, names in os.walk(M + '/by-uid'):
                    for name in names: return os.path.join(folder, name)
            def status():
                subprocess.run([os.environ['PACSFS'], 'status', '--json'], \
            stdout=subprocess.DEVNULL)
            def rename(n):
                put(f'{W}/r{n}.part', b'1'); os.rename(f'{W}/r{n}.part', f'{W}/s{n}.part')
            def remove(n):
                put(f'{W}/u{n}.part', b'1'); os.unlink(f'{W}/u{n}.part')
            def change(n):
                os.chmod(f'{W}/{n}.dcm', 0o640); os.truncate(f'{W}/{n}.dcm', 10)
            def folders(n):
                os.mkdir(f'{W}/d{n}'); os.rename(f'{W}/d{n}', f'{W}/e{n}'); os.rmdir(f'{W}/e{n}')
            operations = {
                'archiving': lambda n: put(f'{W}/{n}.dcm', open(f'{IMAGES}/{n}', 'rb').read()),
                'reading': lambda n: open(f'{W}/{n}.dcm', 'rb').read(),
                'changing': change,
                'a text': lambda n: put(f'{W}/{n}.txt', b'Dear client'),
                'renaming': rename, 'removing': remove, 'folders': folders,
                'listing': lambda n: [os.listdir(I), os.listdir(W)],
                'attributes': lambda n: [os.stat(f'{W}/{name}') for name in os.listdir(W)],
                'views': lambda n: open(first_image(), 'rb').read(),
                'status': lambda n: status(),
            }
            if \(looksAt ? "True" : "False"):
                def look(n):
                    for name in os.listdir(I + '/stuck'): os.stat(f'{I}/stuck/{name}')
                operations['its folder'] = look
                operations['a neighbour'] = lambda n: put(f'{I}/stuck/{n}.part', b'1')
            result = {name: 60 for name in operations}
            for number in range(\(first), \(first) + 5):
                for name, operation in operations.items():
                    begin = time.monotonic()
                    operation(number)
                    result[name] = min(result[name], time.monotonic() - begin)
            print(json.dumps(result))
            """)
        return try JSONDecoder().decode([String: Double].self, from: Data(output.utf8))
    }

    @Test("keeps no other from settling")
    func settling() throws {
        let folder = try TemporaryFolder()
        let images = SyntheticStudy(seed: 3, imagesPerSeries: 24, side: 24).images().map {
            $0.write()
        }
        try Files.write(images[23], to: folder.path + "/images/23")
        let mount = try CrashingMount(in: folder, number: 1)
        defer { mount.remove() }
        let gate = folder.path + "/gate"
        try Files.write([], to: gate)
        let started = try mount.mount([
            .hang(name: "stuck/hung", kinds: ["unlink"], gate: gate)
        ])
        try #require(started.succeeded, "\(started.report)")
        let run = Runner(mount)
        try run(
            """
            os.mkdir(I + '/stuck'); os.mkdir(I + '/well')
            open(X, 'wb').write(image)
            open(X + '2', 'wb').write(b'Dear client')
            time.sleep(3)
            for name in ['a', 'b']: open(f'{I}/well/{name}', 'wb').write(image + name.encode())
            open(I + '/well/c', 'wb').write(b'Dear client')
            end = time.monotonic() + 60
            while os.path.exists(I + '/well') and time.monotonic() < end: time.sleep(0.1)
            assert os.listdir(I) == ['stuck'], os.listdir(I)
            assert sorted(os.listdir(I + '/stuck')) == ['hung', 'hung2'], os.listdir(I + '/stuck')
            os.unlink('\(gate)')
            end = time.monotonic() + 60
            while os.path.exists(I + '/stuck') and time.monotonic() < end: time.sleep(0.1)
            assert os.listdir(I) == [], os.listdir(I)
            """)
        try mount.unmount()
    }

    /// Calls about one image on one disk, from the moment when it is archived.
    private static let commits = [
        (volume: 1, kinds: ["link"]), (1, ["fdatasync", "fsync"]), (2, ["fdatasync", "fsync"]),
        (2, ["copy", "clone", "write"]), (2, ["link"]),
    ]

    @Test("is given up after a while: the copies of all are made on the other", arguments: commits)
    func commit(_ hanging: (volume: Int, kinds: [String])) throws {
        let folder = try TemporaryFolder()
        let images = SyntheticStudy(seed: 3, imagesPerSeries: 24, side: 24).images().map {
            $0.write()
        }
        for (number, image) in images.enumerated() {
            try Files.write(image, to: "\(folder.path)/images/\(number)")
        }
        let mount = try CrashingMount(in: folder, number: 1)
        defer { mount.remove() }
        try mount.configure {
            $0.replacing(/(?m)^patience = .*$/, with: "patience = 2")
                .replacing("min_copies = 2", with: "min_copies = 1")
        }
        let gate = folder.path + "/gate"
        let started = try mount.mount([
            .hang(
                name: "volume\(hanging.volume)/staging/commit", kinds: hanging.kinds, gate: gate)
        ])
        try #require(started.succeeded, "\(started.report)")
        let run = Runner(mount)
        try Files.write([], to: gate)
        try run(
            """
            def put(n):
                begin = time.monotonic()
                with open(f'{I}/{n}.dcm', 'wb', 0) as f: f.write(open(f'{IMAGES}/{n}', 'rb').read())
                return time.monotonic() - begin
            def status():
                return subprocess.run([os.environ['PACSFS'], 'status'], capture_output=True, \
            text=True, timeout=5).stdout
            try:
                # The one that is on its way goes on, too.
                assert put(0) < 8
                assert 'does not answer' in status(), status()
                for n in range(1, 10): assert put(n) < 3
            finally: os.unlink('\(gate)')
            def is_whole():
                run = subprocess.run([os.environ['PACSFS'], 'status', '--json'],
                    capture_output=True, timeout=5)
                copies = json.loads(run.stdout)['copies']
                return copies['under_replicated'] == 0 and 'does not answer' not in status()
            end = time.monotonic() + 60
            while not is_whole() and time.monotonic() < end: time.sleep(0.1)
            assert is_whole(), status()
            for n in range(10, 20): assert put(n) < 3
            """)
        try mount.unmount()
        let given = images.prefix(20).enumerated().map { number, image in
            ArchiveCheck.Given(
                path: "\(folder.path)/images/\(number)", digest: Digest.of(image).hex)
        }
        #expect(try mount.problems(given: given, acknowledged: given) == [])
    }
}
