import TestSupport
import Testing

/// What one failed disk would cost, and what is said of it.
@Suite(
    "Two disks", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: SmallDisk.isPossible, "mounting needs root"))
struct DiskSafetyTests {
    /// An archive on two disks, mounted, with two images.
    private func withDisks(
        minimumCopies: Int = 1, _ body: (MountedArchive, [SmallDisk]) throws -> Void
    ) throws {
        var disks: [SmallDisk] = []
        defer { for disk in disks { disk.unplug() } }
        try MountedArchive.with(
            minimumCopies: minimumCopies,
            prepare: { archive in
                for path in archive.volumes { disks.append(try Self.disk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unplug() } }
            try archive.writeImages(4)
            try archive.mustShell("cp 1.dcm 2.dcm \"$I/\"")
            try body(archive, disks)
        }
    }

    private static func disk(at path: String) throws -> SmallDisk {
        _ = try ProgramRun(["mkdir", "-p", path])
        return try SmallDisk(at: path, bytes: 96 << 20)
    }

    private func firstLine(_ archive: MountedArchive, _ code: Int32) throws -> String {
        let run = try archive.pacsfs("status")
        #expect(run.code == code, "\(run.report)")
        return run.lines.first ?? ""
    }

    @Test("Safe is an archive on two disks that is mounted, and nothing less")
    func safe() throws {
        try withDisks { archive, _ in
            #expect(
                try firstLine(archive, 0)
                    == "Safe: all 2 images are stored 2 times, on 2 different disks.")
            try archive.unmount()
            let line = try firstLine(archive, 1)
            #expect(
                line.hasPrefix("NOT MOUNTED: nobody can see images or add any. Mount it: pacsfs")
                    && line.hasSuffix(
                        "Safe: all 2 images are stored 2 times, on 2 different disks."),
                "\(line)")
            #expect(try archive.health().level == "attention")
            try archive.mount()
            #expect(try firstLine(archive, 0).hasPrefix("Safe"))
        }
    }

    @Test(
        """
        With one of two disks dead a new archive takes images, is not safe until a disk is in its \
        place, and a folder on another disk is refused for that
        """)
    func oneDisk() throws {
        try withDisks { archive, disks in
            let lost = archive.volumes[1]
            disks[1].unplug()
            try archive.mustShell("cp 3.dcm \"$I/\"")
            let line = try firstLine(archive, 1)
            #expect(
                line.hasPrefix("NOT SAFE: \(lost) is absent, and all 3 images are on ")
                    && line.contains("on \(archive.volumes[0]) alone"), "\(line)")
            for way in ["plug its disk in", "pacsfs volume replace \(lost)", "pacsfs volume add"] {
                #expect(line.contains(way), "\(line)")
            }
            try archive.mustShell(
                """
                grep -q 'NOT SAFE: 2 copies of each image are wanted' "$PACSFS_ARCHIVE/pacsfs.log"
                { "$PACSFS" doctor || true; } | grep "volume \(lost)" >found
                grep -q 'pacsfs volume replace' found; grep -q 'pacsfs volume add' found
                """)
            // The new disk is not mounted.
            let refused = try archive.pacsfs("volume", "replace", lost)
            #expect(
                refused.code == 2 && refused.errors.contains("Is the new disk mounted?"),
                "\(refused.report)")
            try archive.mustShell("test -z \"$(ls -A ../volume2)\"")
            let disk = try Self.disk(at: lost)
            defer { disk.unplug() }
            let replaced = try archive.pacsfs("volume", "replace", lost)
            #expect(replaced.succeeded, "\(replaced.report)")
            #expect(try eventually(within: 60) { try archive.health().level == "safe" })
            try archive.mustShell("test \"$(find ../volume2/blobs -name '*.dcm' | wc -l)\" = 3")
            try archive.unmount()
        }
    }

    @Test("With min_copies = 2 files are refused while a disk is away, and the reason is to be had")
    func refused() throws {
        try withDisks(minimumCopies: 2) { archive, disks in
            disks[1].unplug()
            try archive.mustShell(
                """
                fails cp 3.dcm "$I/" 2>error; grep -q 'Input/output error' error
                getfattr --only-values -n user.pacsfs.reason "$I" >reason
                grep -q 'New files are refused: 2 copies are to be made, and only 1 of 2' reason
                grep -q 'incoming/3.dcm is refused: 2 copies are to be made, and only 1 of 2' \
                "$PACSFS_ARCHIVE/pacsfs.log"
                """)
            let line = try firstLine(archive, 1)
            #expect(
                line.hasPrefix("NOT SAFE: ")
                    && line.contains("New ones are refused until it is back (min_copies = 2)"),
                "\(line)")
        }
    }

    @Test("A trial on one disk is told so by init, status and doctor, as long as it is one")
    func trial() throws {
        try MountedArchive.with(minimumCopies: 1) { archive in
            try archive.writeImages(2)
            try archive.mustShell("cp 1.dcm \"$I/\"")
            let line = try firstLine(archive, 1)
            #expect(
                line.hasPrefix(
                    """
                    NOT SAFE: the image is stored 2 times, but both volumes are on one disk (
                    """) && line.contains("fine for trying"), "\(line)")
            try archive.mustShell(
                """
                { "$PACSFS" status --json || true; } | grep '"one_disk" : 1'
                { "$PACSFS" doctor || true; } | grep 'NOT SAFE: it is on one disk with'
                "$PACSFS" init --archive other --volume v1 --volume v2 >made
                grep -q '^NOT SAFE: .* are on one disk' made
                """)
            let added = try archive.pacsfs("volume", "add", "third")
            #expect(added.output.contains("WARNING: ") && added.output.contains("on the same disk"))
            let third = try Self.disk(at: archive.work + "/disk")
            defer { third.unplug() }
            try archive.mustShell("\"$PACSFS\" volume add disk/v")
            #expect(try eventually(within: 60) { try archive.health().level == "safe" })
            try archive.mustShell("cp 2.dcm \"$I/\"")
            #expect(try firstLine(archive, 0).hasPrefix("Safe: all 2 images"))
            try archive.unmount()
        }
    }
}
