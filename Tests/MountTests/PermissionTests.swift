import Glibc
import TestSupport
import Testing

/// Permissions to see the archive and to add to it, as the kernel grants them to other users.
@Suite(
    "Permissions", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: geteuid() == 0, "only root can become another user"))
struct PermissionTests {
    /// Users and groups that no system has; a reader, two writers, and one who is neither.
    private static let users = """
        chmod 755 .. .
        reader="setpriv --reuid=71001 --regid=71101 --clear-groups"
        writer="setpriv --reuid=71002 --regid=71199 --groups=71102"
        colleague="setpriv --reuid=71003 --regid=71102 --clear-groups"
        other="setpriv --reuid=71004 --regid=71104 --clear-groups"

        """

    @Test("Readers see, writers add, and others see nothing")
    func groups() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.configure {
                $0.replacing("# readers = \"GROUP\"", with: "readers = 71101")
                    .replacing("# writers = \"GROUP\"", with: "writers = \"71102\"")
            }
            try archive.mount()
            try archive.keepNames()
            try archive.writeImages(3)
            try archive.mustShell(
                Self.users + """
                    denied() { fails "$@" 2>errors; grep -q 'Permission denied' errors; }
                    # A writer adds, and sees what is in incoming only.
                    $writer cp -p 1.dcm "$I/a.dcm"
                    $writer bash -c 'umask 077; mkdir "$I/cd"; umask 022; mkdir "$I/open"'
                    $writer bash -c 'umask 027; cat 2.dcm >"$I/open/b.dcm"'
                    test "$(stat -c '%u %g %a' "$I/a.dcm" "$I/cd" "$I/open" "$I/open/b.dcm")" = \
                    $'71002 71102 644\\n71002 71102 2700\\n71002 71102 2755\\n71002 71102 640'
                    denied $writer ls "$M"
                    denied $writer ls "$M/by-uid"
                    denied $writer cat "$M/README.txt"
                    # Another one reads it there, and may not take it away.
                    $colleague cmp 1.dcm "$I/a.dcm"
                    $colleague cmp 2.dcm "$I/open/b.dcm"
                    denied $colleague ls "$I/cd"
                    $writer rmdir "$I/cd"
                    fails $colleague mv "$I/a.dcm" "$I/stolen.dcm" 2>errors
                    grep -q 'Operation not permitted' errors
                    $colleague cp 3.dcm "$I/c.dcm"
                    # A reader sees the views, and adds nothing.
                    image=$($reader find "$M/by-uid" -type f -exec cmp -s 1.dcm {} \\; -print)
                    $reader cmp 1.dcm "$image"
                    test "$(stat -c '%U %g %a' "$image")" = "root 71101 440"
                    $reader grep -q pacsfs "$M/README.txt"
                    denied $reader cp 1.dcm "$I/"
                    denied $reader ls "$I"
                    denied $reader ls "$M/rejected"
                    # He looks for images; which searches are kept is settled by those who add.
                    $reader ls "$M/search/smith" >/dev/null
                    denied $reader mkdir "$M/search/smith"
                    both="setpriv --reuid=71002 --regid=71101 --groups=71102"
                    $both mkdir "$M/search/smith"
                    denied $reader rmdir "$M/search/smith"
                    denied $reader mv -T "$M/search/smith" "$M/search/rex"
                    number=$(stat -c %i "$M/search/smith")
                    $both mv -T "$M/search/smith" "$M/search/rex"
                    test "$($reader stat -c %i "$M/search/rex")" = $number
                    $both rmdir "$M/search/rex"
                    # Others reach nothing, known paths neither.
                    denied $other ls "$M"
                    denied $other ls "$I"
                    denied $other cp 1.dcm "$I/"
                    denied $other stat "$image"
                    denied $other cat "$M/README.txt"
                    """)
            // Commands that are not allowed say so, and what the user can do.
            try archive.mustShell(
                Self.users + """
                    says() { grep -q "$1" errors || { cat errors >&2; return 1; }; }
                    cp "$PACSFS" pacsfs; chmod 755 pacsfs
                    fails $reader ./pacsfs unmount "$M" 2>errors
                    says "$M was mounted by root, and only that user and root can end it"
                    fails $reader ./pacsfs find smith 2>errors
                    says "no permission.* $M/search/smith rex 2024 .*$M/README.txt"
                    fails env -u PACSFS_ARCHIVE HOME=/nonexistent $reader ./pacsfs status 2>errors
                    # Of some mount there is; other tests have theirs.
                    says "no archive in /nonexistent.* /[^ ]*/search/smith rex 2024"
                    ls "$M" >/dev/null
                    """)
            // Nor by way of the disks.
            try archive.mustShell(
                Self.users + """
                    for folder in ../archive ../volume[12]/{blobs,ledger,staging,rejected}; do
                        test "$(stat -c %a $folder)" = 700
                        fails $other ls $folder 2>/dev/null
                    done
                    """)
            try archive.settled()
            // Writers may look at files that are not images, and try them again.
            try archive.mustShell(
                Self.users + """
                    $writer bash -c 'mkdir "$I/box"; echo no image >"$I/box/in.txt"; echo no \
                    image >"$I/note.txt"'
                    for step in $(seq 600); do test -n "$(find "$M/rejected" -name note.txt)" && \
                    break; sleep 0.1; done
                    $colleague cat "$M"/rejected/*/note.txt.reason.txt
                    test "$(stat -c '%g %a' "$M"/rejected/*/note.txt "$M/rejected")" = $'71102 \
                    440\\n71102 770'
                    fails $reader ls "$M/rejected" 2>/dev/null
                    fails $writer rm -f "$M"/rejected/*/note.txt 2>errors
                    grep -q 'Read-only file system' errors
                    # What is tried again is whose who tries it, and who does not want it takes \
                    it away.
                    for step in $(seq 600); do test -n "$(find "$M/rejected" -name in.txt)" && \
                    break; sleep 0.1; done
                    """)
            try archive.keepNames()
            try archive.mustShell(
                Self.users + """
                    $colleague mv "$M"/rejected/*/box "$I/again"
                    test "$(stat -c '%u %g %a' "$I/again" "$I/again/in.txt")" = $'71003 71102 \
                    2755\n71003 71102 644'
                    $colleague rm -r "$I/again"
                    test ! -e "$I/again"
                    """)
        }
    }

    @Test("A group that does not exist is refused at the start, with what to do")
    func unknownGroup() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.configure {
                $0.replacing("# writers = \"GROUP\"", with: "writers = \"no-such-group\"")
            }
            let run = try archive.pacsfs("mount", archive.mountpoint)
            #expect(
                run.code == 2
                    && run.errors.contains("pacsfs.toml: \"writers\" names the group no-such-group")
            )
            #expect(run.errors.contains("groupadd --system no-such-group") && !archive.isMounted)
        }
    }
}
