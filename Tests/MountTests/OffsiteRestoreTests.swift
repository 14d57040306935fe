import Foundation
import OffsiteSupport
import TestSupport
import Testing

private let hasRclone = (try? ProgramRun(["rclone", "version"]).succeeded) == true

/// The building burns down; and images that only the remote has any more.
@Suite(
    "Back from off-site", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: hasRclone, "rclone is not installed"))
struct OffsiteRestoreTests {
    private static let readme = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../README.md").standardizedFileURL.path

    /// What everybody sees: names and bytes of views and of what was set aside, and the searches.
    private func shown(_ archive: MountedArchive) throws -> String {
        try archive.mustShell(
            """
            cd "$M"; ls; ls search
            find by-* rejected -type f -print0 | sort -z | xargs -0 sha256sum
            find by-* -type f -printf '%i %T@ %p\\n' | sort
            """, timeout: 3600
        ).output
    }

    /// Images, a rejected file and a kept search, all of them on a remote.
    private func push(_ archive: MountedArchive, encrypted: Bool) throws {
        try archive.writeSamples()
        try archive.mustShell(
            """
            cp -r samples "$I/"; mkdir "$I/cd"; echo text >"$I/cd/letter.txt"
            mkdir "$M/search/rex" remote
            until test -e "$M"/rejected/*/cd/letter.txt.reason.txt; do sleep 0.1; done
            "$PACSFS" offsite add nas "$PWD/remote" \(encrypted ? "--encrypt" : "")
            "$PACSFS" offsite sheet -o sheet.txt
            "$PACSFS" offsite push
            """)
    }

    /// The commands that stand in a sheet: indented, a backslash where one goes on.
    static func commands(_ sheet: String, _ program: String) -> String {
        let lines = sheet.split(separator: "\n").filter { $0.hasPrefix("    ") }
        var commands: [String] = []
        var goesOn = false
        for line in lines {
            let text = line.trimmingCharacters(in: .whitespaces)
            if goesOn {
                commands[commands.count - 1] += "\n" + text
            } else {
                commands.append(text)
            }
            goesOn = text.hasSuffix("\\")
        }
        return commands.filter { $0.hasPrefix(program) }.joined(separator: "\n")
    }

    @Test(
        "With the sheet alone everything is back, by what it says and nothing else",
        arguments: [true, false])
    func fire(encrypted: Bool) throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            try push(archive, encrypted: encrypted)
            let before = try shown(archive)
            try archive.unmount()
            try archive.mustShell(
                """
                mkdir after; cp sheet.txt after/
                rm -rf ../archive ../volume1 ../volume2 samples sheet.txt
                """)
            let sheet = try Files.text(archive.work + "/after/sheet.txt")
            let script = Self.commands(sheet, "pacsfs")
            #expect(script.components(separatedBy: "\npacsfs ").count == 2, "\(script)")
            // A typing mistake is found first.
            let password = sheet.firstMatch(of: /(?m)^ *(\d+) (rclone\.type +)(\S)/)
            let wrong = try #require(password)
            try Files.write(
                Array(sheet.replacing(wrong.0, with: "  \(wrong.1) \(wrong.2)x").utf8),
                to: archive.work + "/after/typed.txt")
            try archive.mustShell(
                """
                cd after; mkdir bin; ln -s "$PACSFS" bin/pacsfs; PATH="$PWD/bin:$PATH"
                fails pacsfs restore --sheet typed.txt --archive x --volume y --copies 1 2>said
                grep -q 'line \(wrong.1) is mistyped' said
                unset PACSFS PACSFS_ARCHIVE M I
                # It is killed again and again before it comes to its end.
                for time in 0.2 0.5 0.8 1.1 1.4 1.7; do
                    timeout -s KILL $time \(script.components(separatedBy: "\npacsfs mount")[0]) \
                        >/dev/null 2>&1 || true
                done
                \(script)
                """, timeout: 120)
            #expect(try shown(archive) == before)
            let verified = try archive.pacsfs("verify")
            #expect(verified.code == 0, "\(verified.report)")
            // It goes on: what comes now is brought away too, to the same remote.
            try archive.writeImages(1, markedWith: "new")
            try archive.mustShell("cp 1.dcm \"$I/\"; \"$PACSFS\" offsite push")
            try archive.unmount()
        }
    }

    /// A folder whose images burn, besides the corpus: `PACSFS_FIRE_SOURCE`, which
    /// `synthesize archive` makes. Without it some samples do.
    private static let burning = ProcessInfo.processInfo.environment["PACSFS_FIRE_SOURCE"]

    private func fill(_ archive: MountedArchive) throws {
        guard let source = Self.burning else {
            try archive.writeSamples()
            try archive.mustShell("cp -r samples source")
            return
        }
        let corpus = try #require(Corpus.shared, Corpus.isAbsent)
        try archive.mustShell(
            "mkdir source; cp -rL '\(corpus.root)'/s* '\(source)' source/", timeout: 600)
    }

    @Test(
        "After a second fire, too, the sheet alone brings everything back from S3; or hands do",
        .enabled(if: PythonPrograms.weed != nil, PythonPrograms.areAbsent),
        arguments: ["rclone", PythonPrograms.rclone ?? "rclone"], [RemoteKind.s3])
    func twice(rclone: String, kind: RemoteKind) throws {
        let remote = try TestRemote(kind)
        try MountedArchive.with(isMounted: false, minimumCopies: 1) { archive in
            try fill(archive)
            try archive.mustShell(
                """
                mkdir bin; ln -s "$(command -v '\(rclone)')" bin/rclone; ln -s "$PACSFS" bin/pacsfs
                export PATH="$PWD/bin:$PATH"
                code=0; pacsfs import source >/dev/null || code=$?; test $code -le 1
                rm -rf source
                pacsfs mount "$M"; mkdir "$M/search/rex"
                for try in 1 2 3 4 5 6 7 8 9 10; do
                    ! pacsfs offsite add away '\(remote.written)' --encrypt || break
                    sleep 1
                done
                """, timeout: 3600)
            for fire in 1...2 {
                try archive.writeImages(2, markedWith: "fire \(fire)")
                try archive.mustShell(
                    """
                    export PATH="$PWD/bin:$PATH"
                    cp 1.dcm 2.dcm "$I/"; echo note >"$I/note\(fire).txt"
                    until test -e "$M"/rejected/*/note\(fire).txt.reason.txt; do sleep 0.1; done
                    until test -z "$(ls "$I")"; do sleep 0.1; done
                    pacsfs offsite sheet -o sheet.txt
                    pacsfs offsite push
                    """, timeout: 3600)
                let before = try shown(archive)
                try archive.unmount()
                try archive.mustShell(
                    """
                    find ../volume1/blobs -name '*.dcm' -printf '%f\\n' | sort >known
                    rm -rf ../archive ../volume1 ../volume2 after; mkdir after
                    mv sheet.txt after/
                    """, timeout: 600)
                let sheet = try Files.text(archive.work + "/after/sheet.txt")
                try archive.mustShell(
                    """
                    PATH="$PWD/bin:$PATH"; cd after; unset PACSFS PACSFS_ARCHIVE M I
                    \(Self.commands(sheet, "pacsfs"))
                    """, timeout: 3600)
                let after = try shown(archive)
                #expect(after == before, "after fire \(fire)")
                let verified = try archive.pacsfs("verify", timeout: 3600)
                #expect(verified.code == 0, "\(verified.report)")
            }
            let chapter = try #require(
                Files.text(Self.readme).firstMatch(
                    of: /(?s)\*\*By hand\*\*, without pacsfs.*?```sh\n(.*?)```/)
            ).1
            let sheet = try Files.text(archive.work + "/after/sheet.txt")
            try archive.mustShell(
                """
                PATH="$PWD/bin:$PATH"; mkdir home by-hand; export HOME="$PWD/home"
                unset PACSFS PACSFS_ARCHIVE M I
                cd by-hand
                \(Self.commands(sheet, "rclone config"))
                \(chapter)
                find blobs -name '*.dcm' -printf '%f\\n' | sort | cmp - ../../known
                """, timeout: 3600)
            try archive.unmount()
        }
    }

    @Test("By hand, with the commands of README and of the sheet", arguments: [true, false])
    func byHand(encrypted: Bool) throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            try push(archive, encrypted: encrypted)
            try archive.unmount()
            let readme = try Files.text(Self.readme)
            let chapter = try #require(
                readme.firstMatch(of: /(?s)\*\*By hand\*\*, without pacsfs.*?```sh\n(.*?)```/)
            ).1
            let sheet = try Files.text(archive.work + "/sheet.txt")
            let remotes = Self.commands(sheet, "rclone config")
            // README says so of a remote that is not encrypted.
            let script =
                encrypted
                ? String(chapter)
                : String(chapter).replacing("sealed:", with: "'base:\(archive.work)/remote'")
            try archive.mustShell(
                """
                find ../volume1/blobs -name '*.dcm' -printf '%f\\n' | sort >known
                mkdir home by-hand; export HOME="$PWD/home"; unset PACSFS PACSFS_ARCHIVE M I
                cd by-hand
                \(remotes)
                \(script)
                cd \(archive.work)
                find by-hand/copy/blobs -name '*.dcm' -printf '%f\\n' | sort | cmp - known
                grep -q . by-hand/copy/ledger/*/tail/*.jsonl
                # A damaged one is named.
                blob=$(find by-hand/copy/blobs -name '*.dcm' | head -n 1)
                chmod u+w "$blob"; printf x >>"$blob"
                cd by-hand/copy
                fails eval "find blobs -name '*.dcm' | sed 's|.*/\\(.*\\)\\.dcm$|\\1  &|' |
                    sha256sum -c --quiet" 2>&1 | grep -q "$(basename "$blob")"
                """, timeout: 120)
            // And it is something that restore takes.
            try archive.mustShell(
                """
                rm -rf by-hand; mkdir home2; export HOME="$PWD/home2"
                \(remotes)
                \(Self.commands(sheet, "rclone copy"))
                "$PACSFS" restore --from copy --archive again --volume v1 --volume v2
                find v1/blobs -name '*.dcm' -printf '%f\\n' | sort | cmp - known
                """, timeout: 120)
        }
    }

    @Test(
        "An image whose copies are all damaged or gone is fetched when it is opened",
        arguments: [ReadMode.passthrough, .cached])
    func readThrough(mode: ReadMode) throws {
        try MountedArchive.with(mode, minimumCopies: 1) { archive in
            try push(archive, encrypted: true)
            try archive.mustShell(
                """
                find "$M/by-uid" -type f -print0 | sort -z | xargs -0 sha256sum >known
                n=0
                for blob in $(cd ../volume1 && find blobs -name '*.dcm' | sort | head -n 9); do
                    for volume in ../volume1 ../volume2; do
                        chmod u+w $volume/$blob
                        case $((n % 3)) in
                            0) rm $volume/$blob;;
                            1) printf x |
                               dd of=$volume/$blob bs=1 seek=3000 conv=notrunc status=none;;
                            2) truncate -s 100 $volume/$blob;;
                        esac
                    done
                    n=$((n + 1))
                done
                # Several programs at once want the same.
                for program in 1 2 3; do
                    sha256sum -c --quiet known & programs="$programs $!"
                done
                for program in $programs; do wait $program; done
                grep -q 'was fetched from the remote "nas"' ../archive/pacsfs.log
                """.replacing("n=0\n", with: "n=0; programs=\n"), timeout: 120)
            let verified = try archive.pacsfs("verify")
            #expect(verified.code == 0, "\(verified.report)")
            try archive.unmount()
        }
    }

    @Test("A remote that never answers holds up nobody but those who want what only it has")
    func hung() throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            try push(archive, encrypted: false)
            try archive.unmount()
            try archive.configure { $0.replacing("patience = 30", with: "patience = 4") }
            try archive.mount()
            try archive.python(
                """
                import glob, json, socket, time
                server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(64)
                path = '../archive/offsite/nas.json'
                secrets = json.load(open(path))
                secrets['options'] = {'type': 'webdav', 'vendor': 'other',
                                      'url': f'http://127.0.0.1:{server.getsockname()[1]}'}
                json.dump(secrets, open(path, 'w'))
                images = sorted(glob.glob(M + '/by-uid/*/*/*'))
                sums = subprocess.run(['sha256sum', *images], capture_output=True, text=True).stdout
                lost = [line.split('  ', 1) for line in sums.splitlines()][:2]
                for digest, image in lost:
                    for volume in '../volume1', '../volume2':
                        os.unlink(f'{volume}/blobs/{digest[:2]}/{digest[2:4]}/{digest}.dcm')
                names = [image for digest, image in lost]
                # The daemon knows their files still: they are looked at anew after a remount.
                subprocess.run([os.environ['PACSFS'], 'unmount', M], check=True)
                subprocess.run([os.environ['PACSFS'], 'mount', M], check=True)
                begin = time.monotonic()
                waiting = [subprocess.Popen(['cat', name], stdout=subprocess.DEVNULL,
                                            stderr=subprocess.PIPE) for name in names]
                for image in images:
                    if image not in names: open(image, 'rb').read()
                subprocess.run([os.environ['PACSFS'], 'status'], stdout=subprocess.DEVNULL)
                assert all(cat.poll() is None for cat in waiting), 'nobody waited'
                waiting[0].kill(); waiting[0].wait(3)
                said = waiting[1].communicate(timeout=60)[1]
                assert b'Input/output error' in said, said
                assert time.monotonic() - begin < 40
                log = open('../archive/pacsfs.log').read()
                assert 'cannot be fetched from the remote "nas"' in log, log[-2000:]
                """, timeout: 120)
            try archive.unmount()
        }
    }
}
