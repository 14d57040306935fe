import TestSupport
import Testing

/// `/search`, as people use it.
@Suite(
    "Searching in the mount", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct SearchTests {
    @Test(
        "A search is a folder: its images are those of the views, and read the same",
        arguments: Setting.modes)
    func results(_ setting: Setting) throws {
        try MountedArchive.with(setting) { archive in
            try archive.importSamples()
            let studies = try archive.mustShell("ls \"$M/search/smith rex 2026\"").lines
            #expect(
                studies == [
                    "2026-02-11 Smith^Rex (1001) DX Hip dysplasia",
                    "2026-03-03 Smith^Rex (1001) CT Thorax",
                ])
            let run = try archive.mustShell(
                """
                cd "$M/search/smith rex 2026"
                test "$(ls "$M/search/id=1001 Modality=US" | wc -l)" = 0
                find . -type f -printf '%i\\n' | sort >"$OLDPWD/found"
                find "$M/by-patient/Smith^Rex (1001)/2026-02-11" "$M/by-patient/Smith^Rex \
                (1001)/2026-03-03" \\
                    -type f -printf '%i\\n' | sort | cmp - "$OLDPWD/found"
                find . -type f -exec sha256sum {} + | cut -c1-64 | sort -u >"$OLDPWD/digests"
                cd "$OLDPWD"
                test "$(wc -l <digests)" -gt 3
                find samples -type f -exec sha256sum {} + | cut -c1-64 | sort -u | comm -13 - \
                digests
                fails ls "$M/search/.hidden"
                fails touch "$M/search/x.txt"
                fails touch "$M/search/rex/x.txt"
                fails rm -r "$M/search/rex"
                fails cp samples/*/*/*.dcm "$M/search/"
                cat "$M/search/colour=red/"*.txt
                ls "$M/search/there is nothing like this"
                """)
            #expect(
                run.lines.first?.contains("\"colour\" is not an attribute") == true, "\(run.report)"
            )
            #expect(run.lines.last?.contains("species=canine") == true, "\(run.report)")
        }
    }

    @Test(
        """
        mkdir keeps a search listed, over a restart and the loss of the index too; rmdir forgets \
        it
        """
    )
    func keeping() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            // It exists before it is made, for every program and with every way of making it.
            try archive.mustShell(
                """
                ls "$M/search/smith rex" "$M/search/us"
                mkdir "$M/search/smith rex"
                mkdir -p "$M/search/us" "$M/search/us"
                python3 -c 'import os, sys; os.mkdir(sys.argv[1])' "$M/search/modality=DX"
                fails mkdir "$M/search/smith rex" 2>errors
                grep -q 'File exists' errors
                fails mkdir "$M/search/colour=red" 2>errors
                grep -q 'Invalid argument' errors
                mv -T "$M/search/us" "$M/search/us 2026"
                fails rmdir "$M/search/not kept"
                mkdir "$M/search/ct"
                cd "$M/search/ct" && rmdir "$M/search/ct" && cd /
                """)
            let kept = ["how to search.txt", "modality=DX", "smith rex", "us 2026"]
            func listed() throws -> [String] { try archive.mustShell("ls \"$M/search\"").lines }
            func numbers() throws -> [String] {
                try archive.mustShell("cd \"$M/search\" && find . -printf '%i %p\\n' | sort").lines
            }
            #expect(try listed() == kept)
            let before = try numbers()
            try archive.unmount()
            try archive.mount()
            #expect(try listed() == kept)
            #expect(try numbers() == before)
            try archive.unmount()
            try archive.mustShell("rm \"$PACSFS_ARCHIVE\"/index.sqlite*")
            try archive.mount()
            #expect(try listed() == kept)
            #expect(try numbers() == before)
            // A walk over the whole mount finds the kept searches, and ends.
            let run = try archive.mustShell(
                """
                find "$M" -type f -path '*/search/*' -name '*.dcm' | wc -l
                tar -C "$M" -cf - . | tar -tf - | grep -c '/search/.*dcm$'
                rsync -aH --itemize-changes "$M/" out/ >transferred
                rsync -aH --itemize-changes "$M/" out/
                find out -name '*.dcm' -links +7 | grep -c /search/
                """)
            #expect(Set(run.lines).count == 1 && run.lines.count == 3, "\(run.report)")
        }
    }

    @Test("A folder of results shows new images without being opened again")
    func follow() throws {
        try MountedArchive.with { archive in
            let images = try archive.writeImages(3)
            let run = try archive.python(
                """
                import shutil
                folder = M + '/search/smith'
                os.chdir(folder)
                assert os.listdir('.') == [], os.listdir('.')
                for number, image in enumerate(\(images)):
                    shutil.copy(image, I)
                    found = sum(len(names) for _, _, names in os.walk('.'))
                    assert found == number + 1, (found, number)
                    assert found == sum(len(names) for _, _, names in os.walk(folder))
                print('followed')
                """)
            #expect(run.output == "followed\n")
        }
    }
}
