import Glibc
import TestSupport
import Testing

/// Programs that read real files out of a view, odd ones included, in all three settings.
extension CorpusTests {
    /// Each runs in a folder of its own. `same FOLDER` compares names and bytes with those of the
    /// view, which the other tests compare with the originals.
    private static let readers = [
        ("copy", "cp -a \"$V\" copy; same copy"),
        (
            "rsync",
            """
            rsync -aH \"$V/\" copy/; same copy; test -z \"$(rsync -aH --itemize-changes \"$V/\" \
            copy/)\"
            """
        ),
        (
            "tar",
            """
            mkdir copy; tar -C \"$V\" -cf view.tar .; tar -C copy -xf view.tar; same copy; tar \
            -C \"$V\" -df view.tar
            """
        ),
        (
            "zip",
            "(cd \"$V\"; zip -qr1 \"$OLDPWD/view.zip\" .); unzip -q view.zip -d copy; same copy"
        ),
        (
            "bsdtar",
            "mkdir copy; bsdtar -C \"$V\" -cf view.pax .; bsdtar -C copy -xf view.pax; same copy"
        ),
        (
            "sevenzip",
            """
            7z a -mx=0 -bso0 -bsp0 view.7z \"$V\"; 7z x -bso0 -bsp0 -ocopy view.7z; same \
            copy/by-patient
            """
        ),
        (
            "git",
            """
            export GIT_DIR=$PWD/repository GIT_WORK_TREE=$V HOME=$PWD
            git init -q; git -c core.compression=0 add -A
            test "$(git ls-files -z | tr -dc '\\0' | wc -c)" = "$(find "$V" -type f -printf x | \
            wc -c)"
            test -z "$(git diff-files)"; git add -A; test -z "$(git diff-files)"
            git checkout-index -a --prefix="$PWD/copy/"; same copy
            """
        ),
        (
            "pydicom",
            """
            /usr/bin/python3 - <<'END'
            import hashlib, os, warnings, pydicom
            warnings.simplefilter('ignore')
            def files(root): return (f'{folder}/{name}' for folder, _, names in os.walk(root) \
            for name in names)
            def digest(path): return hashlib.sha256(open(path, 'rb').read()).digest()
            def read(path):
                try:
                    dataset = pydicom.dcmread(path, force=True)
                    return str(dataset.file_meta), list(dataset.keys()), dataset.get('PixelData')
                except Exception as error: return type(error), str(error).replace(path, '')
            shown = {digest(path): path for path in files(os.environ['V'])}
            pairs = [(path, shown[digest(path)]) for path in files(os.environ['SAMPLES']) if \
            digest(path) in shown]
            assert len(pairs) > 300, len(pairs)
            read_well = 0
            for source, path in pairs:
                found = read(path)
                assert found == read(source), path
                read_well += len(found) == 3
            assert read_well > 300, read_well
            END
            """
        ),
    ]

    /// The same over a network, where the servers are installed.
    private static func transfers() -> [(name: String, script: String)] {
        var found: [(name: String, script: String)] = []
        if SecureShell.isInstalled {
            found.append(
                (
                    "scp",
                    SecureShell.start + "scp -q -r -F ssh/client \"archive:$V\" copy; same copy"
                ))
            let get =
                """
                echo \"get -r \\\"$V\\\" copy\" | sftp -q -b - -F ssh/client archive >/dev/null; \
                same copy
                """
            found.append(("sftp", SecureShell.start + get))
        }
        if Samba.isInstalled {
            found.append(
                (
                    "samba",
                    Samba.start
                        + """
                        mkdir copy; smb 'lcd copy; cd by-patient; recurse; prompt; mget *' \
                        >/dev/null; same copy
                        """
                ))
        }
        return found
    }

    private static let compare = """
        same() { diff <(cd "$1"; find . -type f -print0 | sort -z | xargs -0 sha256sum -z | tr \
        '\\0' '\\n') "$LISTING"; }

        """

    @Test("Programs read every real file under its name, with its bytes", arguments: Way.allCases)
    func programs(_ way: Way) throws {
        let archive = archives.archive(way)
        let shown = archives.images(way).filter { $0.key.hasPrefix("by-patient/") }
        let lines = shown.map { (path: "./" + $0.dropFirst("by-patient/".count), digest: $1) }
            .sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }.map {
                "\($0.digest)  \($0.path)\n"
            }
        try Files.write(Array(lines.joined().utf8), to: archive.work + "/listing")
        // The user of the share comes by here.
        chmod(archive.folder.path, 0o711)
        let scripts = (Self.readers + Self.transfers()).map {
            (name: $0.name, script: Self.compare + $0.script)
        }
        try archive.together(
            scripts,
            [
                "V": archive.mountpoint + "/by-patient", "LISTING": archive.work + "/listing",
                "SAMPLES": archives.source + "/samples", "SHARE": try Samba.share(),
                "FORCE": archive.user == nil ? "daemon" : "nobody",
            ])
    }
}
