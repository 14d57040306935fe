import TestSupport
import Testing

/// A volume that retires while a program is half-way through a copy.
@Suite(
    "Retiring the volume of incoming", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct RetirementTests {
    @Test(
        """
        A file under a temporary name, and one that is being written, outlive the volume they \
        were written to
        """
    )
    func temporaryNames() throws {
        try MountedArchive.with { archive in
            try archive.mustShell(
                """
                # Its exit code tells of more than what is asked here.
                shows() { { "$PACSFS" status || true; } | grep "$1" >/dev/null; }
                printf note >note.txt
                cp note.txt "$I/note.dcm.part"
                exec 7>"$I/open.txt.part"; printf one >&7
                "$PACSFS" volume add "$D/volume3" >/dev/null
                "$PACSFS" volume retire "$D/volume1" >/dev/null
                # One is still written to, and keeps the volume.
                for _ in $(seq 600); do shows 'is writing' && break; sleep 0.1; done
                shows 'is writing'
                cmp note.txt "$I/note.dcm.part"
                printf two >&7; exec 7>&-
                for _ in $(seq 600); do shows "$D/volume1" || break; sleep 0.1; done
                fails shows "$D/volume1"
                test "$(cat "$I/open.txt.part")" = onetwo
                test -z "$(find "$D/volume1/staging/incoming" -type f)"
                mv "$I/note.dcm.part" "$I/note.dcm"
                for _ in $(seq 600); do test -z "$(find "$M/rejected" -name note.dcm)" || break; \
                sleep 0.1; done
                cmp note.txt "$(find "$M/rejected" -name note.dcm)"
                """, ["D": String(archive.volumes[0].dropLast("volume1".count + 1))], timeout: 90)
        }
    }
}
