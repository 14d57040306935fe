import TestSupport
import Testing

/// New images are visible at once, also to programs that looked before.
@Suite(
    "New images are there at once", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct FreshnessTests {
    /// One way to archive, and one way to read.
    struct Way: Sendable, CustomTestStringConvertible {
        var setting: Setting
        /// By `pacsfs import`, not through incoming.
        var imports: Bool
        var testDescription: String {
            "\(imports ? "import" : "incoming"), \(setting.testDescription)"
        }
    }

    private static let ways = Setting.modes.flatMap { setting in
        [false, true].map { Way(setting: setting, imports: $0) }
    }

    /// Reads lines of: a file, then the paths below the mount that it is going to have.
    /// Archives one after another, and looks with everything it has held open since the start.
    private static let script = """
        plan = [line.rstrip('\\n').split('\\t') for line in open('plan')]
        held = {}
        def hold(folder):
            if folder not in held and os.path.isdir(folder):
                held[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                os.listdir(held[folder])
        def parents(path):
            while path != M:
                child, path = path, os.path.dirname(path)
                yield path, os.path.basename(child)
        for path in (M + '/' + p for line in plan for p in line[1:]):
            assert not os.path.exists(path), path
            for folder, _ in parents(path): hold(folder)
        for number, (source, *paths) in enumerate(plan):
            data = open(source, 'rb').read()
            if os.environ.get('IMPORTS'):
                subprocess.run([os.environ['PACSFS'], 'import', source], check=True, \
        stdout=subprocess.DEVNULL)
            else:
                with open(f'{I}/{number}.dcm', 'wb') as file: file.write(data)
            for path in (M + '/' + p for p in paths):
                # The name itself, which was asked for in vain before.
                assert os.stat(path).st_size == len(data), path
                for folder, name in parents(path):
                    assert folder not in held or name in os.listdir(held[folder]), (folder, \
        name, 'held')
                    assert name in (entry.name for entry in os.scandir(folder)), (folder, name)
                    hold(folder)
                assert open(path, 'rb').read() == data, path
            shown = subprocess.run(['ls', os.path.dirname(M + '/' + paths[0])], \
        capture_output=True, text=True, check=True)
            assert os.path.basename(paths[0]) in shown.stdout.split('\\n')
        print(len(plan))
        """

    @Test(
        """
        Held directories, fresh ones and names that were not there show an image when close \
        returns
        """,
        arguments: ways)
    func images(_ way: Way) throws {
        // Where the images are going to be is learnt from another archive.
        let plan = try MountedArchive.with(isMounted: false) { twin in
            let samples = try twin.writeSamples()
            try twin.importSamples()
            return try samples.sorted().map { sample in
                let image = try #require(try twin.image(Files.digest(sample)))
                try #require(image.paths.count == MountedArchive.views.count)
                return ["samples" + sample.dropFirst(twin.work.count + "/samples".count)]
                    + image.paths
            }
        }
        try MountedArchive.with(way.setting) { archive in
            try archive.writeSamples()
            let text = plan.map { $0.joined(separator: "\t") + "\n" }.joined()
            try Files.write(Array(text.utf8), to: archive.work + "/plan")
            let variable = way.imports ? "IMPORTS=1" : "IMPORTS="
            try Files.write(
                Array(
                    """
                    import os, sys, subprocess\nM = os.environ['M']; I = \
                    os.environ['I']\n\(Self.script)\n
                    """
                    .utf8),
                to: archive.work + "/look.py")
            let run = try archive.mustShell("\(variable) python3 look.py")
            #expect(run.output == "17\n")
        }
    }

    @Test("A rejected file appears to programs that listed rejected before")
    func rejected() throws {
        try MountedArchive.with { archive in
            try archive.python(
                """
                import time
                root = os.open(M + '/rejected', os.O_RDONLY | os.O_DIRECTORY)
                assert os.listdir(root) == []
                day = M + '/rejected/' + time.strftime('%Y-%m-%d', time.gmtime())
                assert not os.path.exists(day)
                with open(I + '/a.txt', 'w') as file: file.write('text')
                incoming = os.open(I, os.O_RDONLY | os.O_DIRECTORY)
                assert os.listdir(incoming) == ['a.txt']
                end = time.monotonic() + 60
                while os.path.exists(I + '/a.txt') and time.monotonic() < end: time.sleep(0.05)
                assert os.listdir(incoming) == [] and not os.path.exists(I + '/a.txt')
                assert os.listdir(root) == [os.path.basename(day)]
                assert sorted(os.listdir(day)) == ['a.txt', 'a.txt.reason.txt']
                assert open(day + '/a.txt').read() == 'text'
                """)
        }
    }

    @Test("A listing in progress neither repeats nor leaves out earlier entries")
    func listingUnderWay() throws {
        try MountedArchive.with { archive in
            try archive.writeSamples()
            try archive.mustShell("\"$PACSFS\" import samples/CT >/dev/null")
            try archive.python(
                """
                import shutil, itertools
                folder = next(f for f, d, n in os.walk(M + '/by-modality/CT') if n)
                before = set(os.listdir(folder))
                listing = os.scandir(folder)
                names = [entry.name for entry in itertools.islice(listing, 3)]
                for root, _, files in os.walk('samples'):
                    for file in files: shutil.copy(root + '/' + file, I + '/' + file)
                names += [entry.name for entry in listing]
                assert len(names) == len(set(names)) and before <= set(names)
                """)
        }
    }
}
