import Glibc
import TestSupport
import Testing

/// A share of Samba on the mount, with the settings that the README gives, and its own client.
@Suite(
    "Samba", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: Samba.isInstalled, Samba.isAbsent),
    .enabled(if: geteuid() == 0, "smbd becomes another user, as only root can"))
struct SambaTests {
    @Test(
        """
        A folder goes in and comes out, in any case and by a search, and no name is another than \
        here
        """
    )
    func folders() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.configure {
                $0.replacing("ignore_case = false", with: "ignore_case = true")
            }
            try archive.mount()
            try archive.writeSamples()
            // The guest has to come as far as the mount.
            chmod(archive.folder.path, 0o711)
            let run = try archive.mustShell(
                Samba.start + """
                    smb 'mkdir incoming/cd; cd incoming/cd; lcd samples; recurse; prompt; mput *'
                    test "$(find "$M/by-uid" -type f | wc -l)" = 17
                    mkdir "$M/search/rex" out all
                    smb 'lcd out; cd by-patient; recurse; prompt; mget *'
                    diff -r "$M/by-patient" out
                    find out -type f -exec sha256sum {} + | cut -c1-64 | sort >got
                    find samples -type f -exec sha256sum {} + | cut -c1-64 | sort | diff - got
                    # Another case, a search that is kept, and one that is not.
                    smb 'cd "BY-PATIENT/smith^REX (1001)"; ls' | grep -q 2026-03-03
                    smb 'cd SEARCH; ls' | grep -q 'rex '
                    smb 'lcd all; cd "search/REX"; recurse; prompt; mget *'
                    diff -r "$M/search/rex" all
                    smb 'cd "search/smith ct"; ls' | grep -q 'CT Thorax'
                    echo 1 >one; echo 2 >two
                    # What nobody may do.
                    fails smb 'rm "README.txt"'
                    fails smb 'cd by-patient; mkdir x'
                    fails smb 'cd search; put one x.txt'
                    # What Windows and macOS leave behind is swallowed, and nobody is told of it.
                    printf x >._junk
                    smb 'cd incoming; put ._junk'
                    test -z "$(find "$M/rejected" -type f)"
                    # Replaced and renamed, as a client does that saves.
                    smb 'cd incoming; put one new.tmp; put two NEW.tmp; rename new.tmp \
                    Saved.tmp; get SAVED.TMP three; rm saved.tmp'
                    cmp two three
                    test -z "$(ls "$I" | grep -v cd || true)"
                    echo done
                    """, ["SHARE": try Samba.share(), "FORCE": "daemon"], timeout: 120)
            #expect(run.lines.last == "done")
        }
    }
}
