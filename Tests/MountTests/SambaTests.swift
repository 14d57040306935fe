import Foundation
import Glibc
import Programs
import Testing

private enum SambaPrograms {
    static let areInstalled: Bool = {
        let programs: [String] = ["/usr/sbin/smbd", "/usr/bin/smbclient"]
        return geteuid() == 0 && programs.allSatisfy { access($0, X_OK) == 0 }
    }()
}

/// A share of Samba on the mount, with the settings that the README gives, and its own client.
@Suite(
    "Samba", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: SambaPrograms.areInstalled, "there are no smbd and smbclient, or we are not root (Debian: samba, smbclient)"))
struct SambaTests {
    /// The lines of the README's share.
    private func share() throws -> String {
        let readme = try Files.text(URL(filePath: #filePath).deletingLastPathComponent().path + "/../../README.md")
        let begin = try #require(readme.range(of: "[images]\n"))
        let end = try #require(readme[begin.upperBound...].range(of: "```"))
        let lines = readme[begin.upperBound..<end.lowerBound].split(separator: "\n")
        return lines.filter { !$0.contains("path =") && !$0.contains("force group") }.joined(separator: "\n")
    }

    @Test("A folder goes in and comes out, in any case and by a search, and no name is another than here")
    func folders() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.configure { $0.replacing("ignore_case = false", with: "ignore_case = true") }
            try archive.mount()
            try archive.writeSamples()
            // The guest has to come as far as the mount.
            chmod(archive.folder.path, 0o711)
            let run = try archive.mustShell(
                Self.server + """
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
                smb 'cd incoming; put one new.tmp; put two NEW.tmp; rename new.tmp Saved.tmp; get SAVED.TMP three; rm saved.tmp'
                cmp two three
                test -z "$(ls "$I" | grep -v cd || true)"
                echo done
                """, ["SHARE": try share()], timeout: 120)
            #expect(run.lines.last == "done")
        }
    }

    /// Starts smbd with everything it writes in the working directory, and ends it with the script.
    private static let server = """
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        mkdir -p smb
        cat >smb.conf <<EOF
        [global]
            server role = standalone server
            map to guest = bad user
            guest account = nobody
            interfaces = lo
            bind interfaces only = yes
            smb ports = $port
            disable netbios = yes
            load printers = no
            disable spoolss = yes
            log file = $PWD/smb/log
            private dir = $PWD/smb
            lock directory = $PWD/smb
            state directory = $PWD/smb
            cache directory = $PWD/smb
            pid directory = $PWD/smb
            ncalrpc dir = $PWD/smb/ncalrpc
        [images]
            path = $M
            guest ok = yes
            force user = daemon
        $SHARE
        EOF
        smbd --foreground -s "$PWD/smb.conf" </dev/null >smb/out 2>&1 &
        server=$!
        trap 'kill $server; wait $server || true' EXIT
        smb() { smbclient -s "$PWD/smb.conf" -N -U% -p "$port" //127.0.0.1/images -c "$1" 2>&1 | tee smb/client; ! grep -q 'NT_STATUS_' smb/client; }
        for ((n = 0; n < 100; n++)); do ! smb ls >/dev/null || break; kill -0 $server; sleep 0.1; done

        """
}
