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

    @Test("rsync -X ends well into incoming and back, and mknod and tar --xattrs make files")
    func copies() throws {
        try MountedArchive.with { archive in
            try archive.importSamples()
            let images = try archive.writeImages(3)
            try archive.handOver()
            try archive.mustShell(
                """
                rsync -aX 1.dcm "$I/"
                # What waits has attributes of ours, and is copied again and away.
                cp 1.dcm "$I/waits.part"
                getfattr --only-values -n user.pacsfs.state "$I/waits.part" | grep -qx temporary
                test -z "$(getfattr --absolute-names -d -m - "$I/waits.part")"
                rsync -aX --inplace 1.dcm "$I/waits.part"
                rsync -aX "$I/waits.part" away/
                # A copy of a view that has kept the attributes.
                rsync -aX "$M/by-patient/" view/
                find view -name '*.dcm' -exec getfattr -n user.dicom.PatientName {} + >names
                grep -q Smith names
                rsync -aX view/ "$I/back/"
                setfattr -n user.dicom.PatientName -v Nobody "$I/waits.part"
                setfattr -x user.pacsfs.reason "$I/waits.part"
                getfattr --only-values -n user.pacsfs.state "$I/waits.part" | grep -qx temporary
                tar --xattrs -cf - 2.dcm | tar --xattrs --xattrs-include='*' -C "$I" -xf -
                """)
            try archive.python(
                """
                import stat
                os.mknod(f'{I}/3.dcm', 0o640 | stat.S_IFREG)
                with open('3.dcm', 'rb') as source, open(f'{I}/3.dcm', 'r+b') as target:
                    target.write(source.read())
                for kind in (stat.S_IFIFO, stat.S_IFSOCK):
                    try: os.mknod(f'{I}/other', 0o640 | kind)
                    except PermissionError: continue
                    raise AssertionError(kind)
                try: os.mknod(f'{I}/waits.part', 0o640 | stat.S_IFREG)
                except FileExistsError: pass
                else: raise AssertionError('made twice')
                """)
            for image in images { try archive.expectArchived(image) }
            try archive.mustShell("rm \"$I/waits.part\"")
            try archive.settled()
            #expect(try archive.status().rejected == 0)
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
