import Glibc
import TestSupport
import Testing

/// pacsfs as a user who is not root, on an archive of that user.
@Suite(
    "Without root", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: geteuid() == 0, "only root can become another user"))
struct UnprivilegedTests {
    /// Runs a script as the user nobody. `$D` is a folder of that user, with the program and two
    /// images in it. Only the script sees its mounts, and the test can prepare them: `prepare` runs
    /// first, as root.
    private func asNobody(
        _ archive: MountedArchive, prepare: String = "", _ script: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try archive.writeImages(4)
        let program = try #require(PacsfsProgram.path)
        let run = try archive.shell(
            #"""
            chmod 755 .. .
            D=$PWD/home; mkdir "$D"; cp "\#(program)" *.dcm "$D/"; chown -R 65534:65534 "$D"
            cat >as-nobody <<'END'
            cd "$D"; P=$D/pacsfs; M=$D/mount; I=$M/incoming
            export PACSFS_ARCHIVE=$D/archive HOME=$D
            trap '"$P" unmount "$M" >/dev/null 2>&1 || fusermount3 -uz "$M" 2>/dev/null || \#
            true' EXIT
            fails() { ! "$@"; }
            \#(script)
            END
            # Debian's udev makes /dev/fuse open to all; here it may not be.
            export D
            unshare --mount --propagation private bash -euc '
                mknod "$D/fuse" c 10 229; chmod 666 "$D/fuse"; mount --bind "$D/fuse" /dev/fuse
                \#(prepare)
                exec setpriv --reuid=65534 --regid=65534 --clear-groups bash -euo pipefail \#
            as-nobody'
            """#, timeout: 100)
        try #require(run.succeeded, "\(run.report)", sourceLocation: sourceLocation)
    }

    @Test(
        "A user makes, mounts, fills, reads, checks and extends an archive without being root"
    )
    func wholeLife() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try asNobody(
                archive,
                #"""
                "$P" init --volume "$D/v1" --volume "$D/v2" >/dev/null
                mkdir "$M"
                "$P" mount "$M" >out
                grep -q 'Only you will see the mount: /etc/fuse.conf' out
                cp -p 1.dcm "$I/"; mkdir "$I/cd"; cp 2.dcm "$I/cd/"; echo text >"$I/cd/note.txt"
                cmp 1.dcm "$I/1.dcm"; touch -d 2020-01-01 "$I/1.dcm"; chmod 600 "$I/1.dcm"; rm \#
                "$I/1.dcm"
                "$P" import 3.dcm >/dev/null
                test "$(find "$M/by-uid" -type f | wc -l)" = 3
                for n in 1 2 3; do
                    digest=$(sha256sum <$n.dcm); test -n "$(find "$M/by-date" -type f -exec cmp \#
                -s $n.dcm {} \; -print)"
                    "$P" show "${digest%% *}" >/dev/null
                done
                "$P" status >out || test $? = 1
                grep -q 'NOT SAFE: all 3 images are stored 2 times, but' out; grep -q '(cached)' out
                "$P" find smith >/dev/null
                "$P" scrub >/dev/null; "$P" verify >/dev/null
                "$P" volume add "$D/v3" >/dev/null; "$P" volume retire "$D/v1" >/dev/null
                for step in $(seq 600); do "$P" volume list >out; grep -q "$D/v1" out || break; \#
                sleep 0.1; done
                fails grep "$D/v1" out
                "$P" unmount "$M" >/dev/null
                "$P" rebuild >/dev/null
                "$P" mount "$M" >/dev/null; test "$(find "$M/by-uid" -type f | wc -l)" = 3; \#
                "$P" unmount "$M" >/dev/null
                # What he cannot have is said.
                sed -i 's/^# readers = .*/readers = 65534/' archive/pacsfs.toml
                fails "$P" mount "$M" 2>out; grep -q 'fuse.conf.*user_allow_other' out
                sed -i 's/^readers = .*//' archive/pacsfs.toml
                fails "$P" mount /var/empty-of-root 2>out; grep -q 'no directory' out
                fails "$P" mount /media 2>out; grep -q 'is not yours to mount on' out
                """#)
        }
    }

    @Test(
        "With user_allow_other others use the mount, and own the files that they put into incoming"
    )
    func others() throws {
        try MountedArchive.with(isMounted: false) { archive in
            // nobody holds the mount, root's other users come from outside: by nsenter.
            try asNobody(
                archive,
                prepare:
                    #"echo user_allow_other >"$D/fuse.conf"; mount --bind "$D/fuse.conf" /etc/fuse.conf; (umask 0; mkfifo "$D/go" "$D/done"); other() { bash -euo pipefail other-user; }; (read -r line <"$D/go"; code=0; setpriv --reuid=71004 --regid=71104 --clear-groups bash -euxo pipefail "$D/other" >"$D/other.log" 2>&1 || code=$?; echo $code >"$D/done") &"#,
                #"""
                "$P" init --volume "$D/v1" --volume "$D/v2" >/dev/null
                sed -i 's/^settle = .*/settle = 5/' archive/pacsfs.toml
                chmod 755 "$D"; mkdir "$M"; "$P" mount "$M" >out; fails grep Note out
                cat >other <<END2
                cd "$M/incoming"; umask 022
                cp -p "$D/1.dcm" a.dcm; test "\$(stat -c '%u %g' a.dcm)" = '71004 71104'
                mkdir cd; test "\$(stat -c '%u %g %a' cd)" = '71004 71104 755'
                cp "$D/2.dcm" cd/b.dcm; chmod 640 cd/b.dcm; touch -d 2020-01-01 cd/b.dcm
                test "\$(stat -c '%u %a %y' cd/b.dcm | cut -c1-20)" = '71004 640 2020-01-01'
                printf more >>cd/b.dcm; test "\$(stat -c %u cd/b.dcm)" = 71004
                mv cd/b.dcm cd/c.dcm; rm cd/c.dcm; rmdir cd
                test "\$(find "$M/by-uid" -type f | wc -l)" = 3
                END2
                sed -i 's/^ *//' other
                echo go >go; read -r code <done; test "$code" = 0 || { cat other.log; exit 1; }
                """#)
        }
    }

    @Test("Obstacles to mounting are named, with what to do")
    func refusals() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try asNobody(
                archive, prepare: #"chmod 600 "$D/fuse"; cp /usr/bin/fusermount3 "$D/plain""#,
                #"""
                "$P" init --volume "$D/v1" --volume "$D/v2" >/dev/null; mkdir "$M"
                fails "$P" mount "$M" 2>out; grep -q '/dev/fuse is closed to users.*chmod 666' out
                """#)
            try archive.mustShell("rm -r home")
            try asNobody(
                archive,
                prepare:
                    #"cp /usr/bin/fusermount3 "$D/plain"; mount --bind "$D/plain" /usr/bin/fusermount3"#,
                #"""
                "$P" init --volume "$D/v1" --volume "$D/v2" >/dev/null; mkdir "$M"
                fails "$P" mount "$M" 2>out; grep -q 'fusermount3.*chmod u+s' out
                fails setpriv --no-new-privs "$P" mount "$M" 2>out; cat out
                """#)
            try archive.mustShell("rm -r home")
            try asNobody(
                archive, prepare: #"mount --bind /dev/null /usr/bin/fusermount3"#,
                #"""
                "$P" init --volume "$D/v1" --volume "$D/v2" >/dev/null; mkdir "$M"
                fails "$P" mount "$M" 2>out; grep -q 'no fusermount3.*apt install fuse3' out
                """#)
            try archive.mustShell("rm -r home")
            try asNobody(
                archive,
                #"""
                "$P" init --volume "$D/v1" --volume "$D/v2" >/dev/null; mkdir "$M"
                fails setpriv --no-new-privs "$P" mount "$M" 2>out; grep -q 'NoNewPrivileges' out
                """#)
        }
    }
}
