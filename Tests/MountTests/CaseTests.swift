import TestSupport
import Testing

/// `ignore_case = true`, which keeps Samba from reading whole folders.
@Suite(
    "Names in any case", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct CaseTests {
    @Test("With ignore_case, every name is found in any case, and stays one file")
    func ignoringCase() throws {
        try MountedArchive.with(isMounted: false) { archive in
            try archive.importSamples()
            try archive.configure {
                $0.replacing("ignore_case = false", with: "ignore_case = true")
            }
            try archive.mount()
            try archive.mustShell(
                """
                cd "$M"
                find by-patient by-uid -print0 | while IFS= read -r -d '' path; do
                    upper=${path^^} lower=${path,,}
                    test "$path" -ef "$upper" && test "$path" -ef "$lower" && test "$upper" -ef \
                "$path"
                done
                test "$(ls | sort)" = "$(ls "$PWD" | sort)"
                test README.TXT -ef README.txt
                test "$(ls SEARCH/rex)" = "$(ls search/REX)"
                study=$(ls search/rex | head -n 1)
                test "search/rex/$study" -ef "search/rex/${study^^}"
                mkdir search/rex
                fails mkdir search/REX
                test search/REX -ef search/rex
                rmdir Search/REX
                mkdir "$I/Folder"
                echo text >"$I/Folder/Note.part"
                cat "$I/FOLDER/NOTE.PART"
                echo more >>"$I/folder/note.PART"
                test "$(cat "$I/Folder/Note.part")" = "$(printf 'text\\nmore')"
                test "$(ls "$I/Folder")" = Note.part
                fails mkdir "$I/folder"
                fails ls "$I/Folders"
                echo other >"$I/x.part"
                mv "$I/x.part" "$I/Folder/NOTE.part"
                test "$(cat "$I/Folder/"*)" = other
                rm "$I/folder/note.part"
                rmdir "$I/FOLDER"
                test -z "$(ls "$I")"
                """)
        }
    }

    @Test("Without it, a name in another case is another name")
    func mindingCase() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            try archive.mustShell(
                """
                fails ls "$M/BY-PATIENT"
                fails ls "$M/README.TXT"
                fails ls "$M/by-patient/smith^rex (1001)"
                echo 1 >"$I/a.part"
                echo 2 >"$I/A.part"
                test "$(cat "$I/a.part" "$I/A.part")" = "$(printf '1\\n2')"
                """)
        }
    }
}
