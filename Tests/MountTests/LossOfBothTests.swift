import TestSupport
import Testing

/// Both disks die, one after the other, and each is replaced.
@Suite(
    "The loss of both disks", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: SmallDisk.isPossible, "mounting needs root"))
struct LossOfBothTests {
    private func disk(at path: String) throws -> SmallDisk {
        _ = try ProgramRun(["mkdir", "-p", path])
        return try SmallDisk(at: path, bytes: 96 << 20)
    }

    private func wait(
        for what: String, _ archive: MountedArchive, _ isSo: () throws -> Bool
    ) throws {
        guard try !eventually(within: 60, isSo) else { return }
        let log = (try? Files.text(archive.archive + "/pacsfs.log")) ?? ""
        throw ProgramError(
            description: "not \(what)\n\(try archive.pacsfs("status").report)\n\(log)")
    }

    /// What everybody sees: names and bytes of views and of what was set aside, and the searches.
    private func shown(_ archive: MountedArchive) throws -> String {
        try archive.mustShell(
            """
            cd "$M"; ls; ls search
            find by-* rejected -type f -print0 | sort -z | xargs -0 sha256sum
            """
        ).output
    }

    @Test(
        """
        Loses nothing: images, the ledger, what was set aside, what waits, searches and views
        """,
        arguments: [[1, 2], [2, 1]])
    func both(_ order: [Int]) throws {
        var disks: [SmallDisk] = []
        defer { for disk in disks { disk.unplug() } }
        try MountedArchive.with(
            minimumCopies: 1,
            prepare: { archive in
                for path in archive.volumes { disks.append(try disk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unplug() } }
            let image = try archive.writeImages(2)[0]
            try archive.configure { $0 + "by-number = \"{PatientID}/{StudyDate}/{Series}\"\n" }
            try archive.mustShell(
                """
                "$PACSFS" reload >/dev/null
                cp 2.dcm "$I/"; mkdir "$I/cd"; echo text >"$I/cd/letter.txt"
                mkdir "$M/search/rex"; cp 1.dcm "$I/later.dcm.part"
                """)
            try wait(for: "set aside and shown", archive) {
                try archive.shell(
                    """
                    test -e "$M"/rejected/*/cd/letter.txt.reason.txt && test -d "$M/by-number"
                    """
                ).succeeded
            }
            let before = try shown(archive)
            let records = try archive.status().ledger.records
            for (step, number) in order.enumerated() {
                // What waits is copied when it has waited for a while.
                try wait(for: "copied", archive) {
                    try archive.health().level == "safe"
                        && archive.shell(
                            """
                            test 2 = $(find ../volume1 ../volume2 -name later.dcm.part | wc -l)
                            test 2 = $(find ../volume1 ../volume2 -name letter.txt | wc -l)
                            """
                        ).succeeded
                }
                disks[number - 1].unplug()
                try wait(for: "noticed", archive) { try archive.health().level != "safe" }
                disks.append(try disk(at: archive.volumes[number - 1]))
                try archive.mustShell(
                    "\"$PACSFS\" volume replace ../volume\(number) | grep 'volume \(3 + step) now'")
            }
            try wait(for: "safe", archive) { try archive.health().level == "safe" }
            #expect(try shown(archive) == before)
            #expect(try archive.status().ledger.records > records)
            let verified = try archive.pacsfs("verify")
            #expect(verified.code == 0, "\(verified.report)")
            try archive.mustShell(
                "cmp 1.dcm \"$I/later.dcm.part\"; mv \"$I/later.dcm.part\" \"$I/x\"")
            try archive.expectArchived(image)
            // A start finds the same.
            try archive.unmount()
            try archive.mount()
            #expect(try archive.health().level == "safe")
            try archive.unmount()
        }
    }
}
