import Foundation
import Glibc
import TestSupport
import Testing

/// `status.html` and `metrics.prom` as programs read them.
@Suite(
    "status.html", .serialized, .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct StatusPageTests {
    @Test(
        "Programs read them whole, and backups copy them when there is news",
        arguments: Setting.modes)
    func programs(_ setting: Setting) throws {
        try MountedArchive.with(setting) { archive in
            try archive.importSamples()
            try archive.mustShell(
                """
                for name in status.html metrics.prom; do
                    # Size, bytes and time agree, however it is read.
                    stat -c %s "$M/$name" >size; cat "$M/$name" >read; stat -c %s read | cmp size -
                    dd if="$M/$name" of=part bs=1000 skip=1 status=none
                    tail -c +1001 read >rest; test "$(stat -c %s part)" = "$(stat -c %s rest)"
                    cp -p "$M/$name" "copy-$name"
                    test "$(stat -c '%s %Y' "copy-$name")" = "$(stat -c '%s %Y' "$M/$name")"
                    test "$(stat -c '%a %h' "$M/$name")" = "444 1"
                    fails touch "$M/$name" 2>errors; fails rm -f "$M/$name" 2>>errors
                    fails cp read "$M/$name" 2>>errors
                    tar -C "$M" -cf out.tar "$name" 2>complaints; test ! -s complaints
                done
                grep -q '<h1>Not safe</h1>' "$M/status.html"
                grep -q '^pacsfs_images 17$' "$M/metrics.prom"
                # Nobody's name, and no path of an image.
                fails grep -iE 'smith|rex|by-patient|\\.dcm' "$M/status.html" "$M/metrics.prom"
                rsync -a "$M/status.html" "$M/metrics.prom" backup/
                test -z "$(rsync -ai "$M/status.html" "$M/metrics.prom" backup/)"
                printf 'no image' >"$I/note.txt"
                until rsync -a "$M/status.html" backup/
                    grep -q 'rejected</dt><dd>1</dd>' backup/status.html; do sleep 0.2; done
                """)
            // The command prints the same.
            let command = try archive.pacsfs("status", "--html")
            #expect(command.output.contains("<h1>Not safe</h1>"))
            #expect(try archive.pacsfs("status", "--html", "--json").code == 64)
        }
    }

    @Test("A program that reads slowly has one document to its end")
    func slowReader() throws {
        try MountedArchive.with { archive in
            try archive.mustShell(
                """
                exec 3<"$M/status.html"; head -c 4096 <&3 >slow
                printf 'no image' >"$I/note.txt"
                until test -e "$M/rejected"/*/note.txt; do sleep 0.1; done
                cat "$M/status.html" >now
                cat <&3 >>slow
                fails cmp -s slow now
                grep -q 'rejected</dt><dd>0</dd>' slow; grep -q 'rejected</dt><dd>1</dd>' now
                grep -q '</html>' slow; tail -n +1 slow | grep -c '<!DOCTYPE' | grep -qx 1
                """)
        }
    }

    @Test("A volume that goes is on the page at once")
    func absent() throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            try archive.importSamples()
            #expect(try archive.mustShell("cat \"$M/status.html\"").output.contains("✓ online"))
            try archive.mustShell(
                """
                mv ../volume2 ../elsewhere
                cat "$M/status.html" >page; cat "$M/metrics.prom" >metrics
                mv ../elsewhere ../volume2
                grep -q '✕ absent' page
                grep -q '^pacsfs_volume_up{volume="2".*} 0$' metrics
                grep -q '^pacsfs_safe 0$' metrics
                """)
            #expect(
                try eventually {
                    try !archive.mustShell("cat \"$M/status.html\"").output.contains("✕ absent")
                })
        }
    }
}
