import TestSupport
import Testing

/// Extended attributes, as `getfattr` and other programs see them.
@Suite(
    "Extended attributes in the mount", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct ExtendedAttributeTests {
    @Test("getfattr reads them, setfattr cannot set them, and cp, rsync and tar go on without")
    func programs() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            let run = try archive.mustShell(
                """
                image=$(find "$M/by-patient/Smith^Rex (1001)/2026-03-03" -name 00001.dcm | head \
                -n 1)
                get() { getfattr --absolute-names --only-values -n "$1" "$image"; echo; }
                get user.dicom.PatientName
                get user.dicom.Modality
                get user.pacsfs.copies
                test "$(get user.pacsfs.sha256)" = "$(sha256sum <"$image" | cut -c1-64)"
                cmp "$(get user.pacsfs.original-path)" "$image"
                getfattr --absolute-names -d "$image" >dump
                test "$(grep -c '^user.dicom' dump)" -gt 20
                refused() { fails "${@:2}" 2>errors; grep -q "$1" errors; }
                refused 'Operation not permitted' setfattr -n user.dicom.PatientName -v x "$image"
                refused 'Operation not permitted' setfattr -x user.pacsfs.sha256 "$image"
                refused 'Read-only file system' setfattr -n user.mine -v x "$image"
                refused 'No such attribute' getfattr --absolute-names -n user.mine "$image"
                cp -a "$image" copy.dcm
                cp --preserve=mode,timestamps "$image" "$I/"
                setfattr -n user.mine -v x samples/*/*/*.dcm
                cp -a samples "$I/"
                rsync -a samples/ "$I/again/"
                tar -cf - --xattrs samples | tar -C "$I" -xf - 2>/dev/null
                refused 'not supported' setfattr -n user.mine -v x "$I/samples"
                """)
            #expect(run.lines == ["Smith^Rex", "CT", "2"], "\(run.report)")
        }
    }

    @Test("ls -l asks for attributes it cannot get once, not for every file")
    func requests() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            let run = try archive.mustShell(
                """
                image=$(find "$M/by-uid" -name '*.dcm' | head -n 1)
                ls -l "${image%/*}" >list
                strace -f -qq -e trace=getxattr,lgetxattr -o trace ls -l "$M/by-uid"/*/* >list
                grep -c getxattr trace || true
                """)
            #expect((run.lines.last.flatMap { Int($0) } ?? 99) <= 3, "\(run.report)")
        }
    }
}
