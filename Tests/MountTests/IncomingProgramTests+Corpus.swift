import Glibc
import TestSupport
import Testing

/// Programs that put real files into incoming, all odd ones among them, at the same time.
extension IncomingProgramTests {
    /// Each brings every file of `../corpus` once, into a folder of its own.
    private static let writers = [
        ("cp", "cp -a ../corpus \"$I/cp\""),
        ("mv", "cp -r ../corpus copy; chmod -R u+w copy; mv copy \"$I/mv\"; test ! -e copy"),
        ("inplace", "rsync -a --inplace ../corpus \"$I/inplace\""),
        ("delayed", "rsync -aH --partial --delay-updates ../corpus \"$I/delayed\""),
        ("tar", "mkdir \"$I/tar\"; tar -C .. -cf - corpus | tar -C \"$I/tar\" -xpf -"),
        ("unzip", "(cd ..; zip -qr1 unzip/all.zip corpus); unzip -q all.zip -d \"$I/unzip\""),
        ("zip", "(cd ..; zip -qr1 zip/all.zip corpus); mkdir \"$I/zip\"; cp all.zip \"$I/zip/\""),
        (
            "sevenzip",
            "7z a -mx=0 -bso0 -bsp0 all.7z ../corpus; 7z x -bso0 -bsp0 -o\"$I/sevenzip\" all.7z"
        ),
        (
            "install",
            "cd ../corpus; find . -type f -exec install -D -m 640 {} \"$I/install/{}\" \\;"
        ),
        (
            "dd",
            """
            cd ../corpus; find . -type d -exec mkdir -p "$I/dd/{}" \\;
            find . -type f -exec dd if={} of="$I/dd/{}" bs=64k status=none \\;
            """
        ),
    ]

    private static func transfers(_ archive: MountedArchive) -> [(name: String, script: String)] {
        var found: [(name: String, script: String)] = []
        if SecureShell.isInstalled {
            found.append(
                (
                    "scp",
                    SecureShell.start + "scp -q -r -p -F ssh/client ../corpus \"archive:$I/scp\""
                ))
            let put =
                """
                mkdir \"$I/sftp\"; echo \"put -r ../corpus \\\"$I/sftp\\\"\" | sftp -q -b - -F \
                ssh/client archive >/dev/null
                """
            found.append(("sftp", SecureShell.start + put))
        }
        // Whether a guest may write, Samba finds out by identities that only root can look up.
        if Samba.isInstalled, archive.user == nil, geteuid() == 0 {
            let put =
                """
                smb 'mkdir incoming/samba; cd incoming/samba; lcd ../corpus; recurse; prompt; \
                mput *' >/dev/null
                """
            found.append(("samba", Samba.start + put))
        }
        return found
    }

    /// Writes each file as pydicom does, piece by piece: into `made`, and the same into incoming.
    private static let pydicom = """
        /usr/bin/python3 - <<'END'
        import os, warnings, pydicom
        warnings.simplefilter('ignore')
        out, count = os.environ['I'] + '/pydicom', 0
        os.mkdir(out); os.mkdir('made')
        for folder, _, names in os.walk('../corpus'):
            for name in names:
                made = f'made/{count}.dcm'
                try:
                    dataset = pydicom.dcmread(f'{folder}/{name}')
                    dataset.save_as(made)
                except Exception:
                    # It reads, or writes, not all of them.
                    if os.path.exists(made): os.remove(made)
                    continue
                dataset.save_as(f'{out}/{count}.dcm')
                assert open(made, 'rb').read() == open(f'{out}/{count}.dcm', 'rb').read()
                count += 1
        assert count > 80, count
        END
        """

    @Test(
        """
        Every real file arrives by each program with its bytes, and files that are not images \
        are rejected
        """,
        .enabled(if: Corpus.shared != nil, Corpus.isAbsent), arguments: Setting.allCases)
    func realFiles(_ setting: Setting) throws {
        let (archive, before) = try SharedArchives.begin(setting)
        let kinds = try LedgerVerdict(volume: archive.volumes[0]).kinds
        try #require(Corpus.shared).copyOdd(to: archive.work + "/corpus")
        // The user of the share comes by here.
        chmod(archive.folder.path, 0o711)
        let copies = Self.writers + Self.transfers(archive)
        try archive.together(
            copies + [("pydicom", Self.pydicom)], ["SHARE": try Samba.share(), "FORCE": "daemon"])
        try archive.settled(within: 60)

        let after = try archive.status()
        let laterKinds = try LedgerVerdict(volume: archive.volumes[1]).kinds
        // `import` finds that there is nothing that is not there: not a byte was changed on the
        // way.
        let (files, made) = (
            try importAgain("corpus", archive), try importAgain("pydicom/made", archive)
        )
        #expect(files.duplicates > 100 && made.duplicates > 80)
        func more(_ kind: String) -> Int { laterKinds[kind, default: 0] - kinds[kind, default: 0] }
        #expect(more("ingest") == after.blobs - before.blobs)
        #expect(
            more("ingest") + more("duplicate") == copies.count * files.duplicates + made.duplicates)
        #expect(after.rejected - before.rejected == copies.count * files.rejected + made.rejected)
    }

    private func importAgain(_ folder: String, _ archive: MountedArchive) throws -> ImportSummary {
        let summary = try archive.pacsfs("import", "--json", folder).json(ImportSummary.self)
        #expect((summary.archived, summary.failed) == (0, 0))
        #expect(summary.duplicates + summary.rejected + summary.ignored == summary.files)
        return summary
    }
}
