import Foundation
import TestSupport
import SyntheticStudy
import System
import Testing

/// Disks that go and come back while people work.
@Suite(
    "Losing a volume", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(if: LosableDisk.isPossible, "loop devices need root"))
struct VolumeLossTests {
    /// Two disks, an archive on them with some images, mounted.
    private func withDisks(
        _ mode: ReadMode, _ body: (MountedArchive, [LosableDisk]) throws -> Void
    ) throws {
        var disks: [LosableDisk] = []
        // After the archive's own teardown nothing has them open any more.
        defer { for disk in disks { disk.unmount() } }
        try MountedArchive.with(
            mode, minimumCopies: 1,
            prepare: { archive in
                for path in archive.volumes { disks.append(try LosableDisk(at: path)) }
            }
        ) { archive in
            defer { for disk in disks { disk.unmount() } }
            try writeImages(archive)
            try archive.mustShell("\"$PACSFS\" import old >/dev/null")
            try body(archive, disks)
            try archive.unmount()
        }
    }

    /// 60 images in `old` and 160 in `new`, in the working directory.
    private func writeImages(_ archive: MountedArchive) throws {
        for (folder, seed, count) in [("old", UInt64(5), 60), ("new", 6, 110)] {
            let study = SyntheticStudy(
                seed: seed, modality: .computedTomography, series: 1, imagesPerSeries: count,
                side: 32)
            for (number, image) in study.images().enumerated() {
                try Files.write(image.write(), to: "\(archive.work)/\(folder)/\(number).dcm")
            }
        }
    }

    /// Readers and a writer that go on until the file `stop` exists; failures are in `*.failed`.
    private static let load = """
        read_all() {
            until [[ -e stop ]]; do
                find "$M/by-patient" "$M/by-date" -type f -print0 | xargs -0 cat >/dev/null \
        2>>"read$1.failed" || true
                sha256sum "$M"/by-uid/*/*/* 2>>"read$1.failed" | cut -c1-64 | sort -u >"read$1.sums"
                # What was shown at some time is known.
                comm -23 "read$1.sums" known >>"read$1.failed"
                sleep 0.3
            done
        }
        sha256sum old/* new/* | cut -c1-64 | sort >known
        read_all 1 & read_all 2 &
        for file in new/*; do
            cp "$file" "$I/" 2>>write.failed || { sleep 0.2; cp "$file" "$I/"; } \
        2>>write-again.failed || true
            sleep 0.05
        done
        touch written
        wait
        """

    private func wait(
        for what: String, within seconds: Double = 40, _ archive: MountedArchive,
        _ isSo: (Status) -> Bool
    ) throws {
        var output = ""
        let holds = try eventually(within: seconds) {
            let run = try archive.pacsfs("status", "--json")
            output = run.output
            return isSo(try run.json(Status.self))
        }
        guard !holds else { return }
        let log = (try? Files.text(archive.archive + "/pacsfs.log")) ?? ""
        throw ProgramError(description: "not \(what) within \(seconds) s\n\(output)\n\(log)")
    }

    private func failures(_ name: String, _ archive: MountedArchive) -> String {
        (try? Files.text("\(archive.work)/\(name).failed")) ?? ""
    }

    private func expectEverythingOnBoth(_ archive: MountedArchive) throws {
        try archive.mustShell(
            """
            for v in ../volume1 ../volume2; do
                (cd $v && find blobs -name '*.dcm' | sed 's|.*/\\(.*\\)\\.dcm$|\\1  &|' | \
            sha256sum -c --quiet)
                find $v/blobs -name '*.dcm' | sed 's|.*/||; s|\\.dcm||' | sort | cmp - known
            done
            diff -r ../volume1/ledger ../volume2/ledger
            sha256sum "$M"/by-uid/*/*/* | cut -c1-64 | sort | cmp - known
            """)
    }

    @Test(
        """
        A volume that is lost while people read and write is caught up when it is back, without \
        a command
        """,
        arguments: LosableDisk.Loss.allCases, [(0, ReadMode.passthrough), (1, .cached)])
    func losing(_ loss: LosableDisk.Loss, _ variant: (volume: Int, mode: ReadMode)) throws {
        try withDisks(variant.mode) { archive, disks in
            let disk = disks[variant.volume]
            let load = try WorkerThread("load") {
                _ = try? archive.shell(Self.load, timeout: 180)
            }
            func hasWritten(_ more: Int, than before: Int) -> (Status) -> Bool {
                { $0.instances >= before + more || Files.exists(archive.work + "/written") }
            }
            let atFirst = try archive.status().instances
            try wait(for: "under load", archive, hasWritten(5, than: atFirst))
            try disk.lose(loss)
            // At the next write, or within 10 seconds.
            try wait(for: "noticed", within: 60, archive) {
                $0.volumes[variant.volume].state != "online"
            }
            // People go on meanwhile.
            let atLoss = try archive.status().instances
            try wait(for: "writing on", archive, hasWritten(10, than: atLoss))
            try disk.bringBack()
            try wait(for: "online", within: 60, archive) {
                $0.volumes.allSatisfy { $0.state == "online" }
            }
            #expect(eventually(within: 120) { Files.exists(archive.work + "/written") })
            try wait(for: "caught up", archive) {
                $0.copies.underReplicated == 0 && $0.instances == 170
            }
            try Files.write([], to: archive.work + "/stop")
            load.join()
            // A file that was being written to a failing disk is lost, and its writer gets an
            // error.
            let isStaging = variant.volume == 0 && loss != .unmounted
            #expect(
                failures("write", archive).split(separator: "\n").count <= (isStaging ? 2 : 0),
                "\(failures("write", archive))")
            #expect(failures("write-again", archive) == "")
            // The kernel itself reads files that were open when the disk was pulled.
            let mayFail = loss == .pulled ? 2 : 0
            for reader in ["read1", "read2"] {
                let lines = failures(reader, archive).split(separator: "\n")
                #expect(
                    lines.count <= mayFail
                        && lines.allSatisfy { $0.contains("Input/output error") }, "\(lines)")
            }
            try archive.settled()
            try expectEverythingOnBoth(archive)
        }
    }

    @Test(
        "A dead disk is replaced by an empty one with one command, while people read",
        arguments: ReadMode.allCases)
    func replacing(_ mode: ReadMode) throws {
        try withDisks(mode) { archive, disks in
            try archive.mustShell("sha256sum old/* | cut -c1-64 | sort >known")
            try disks[1].replaceByEmpty()
            try wait(for: "noticed", within: 60, archive) { $0.volumes[1].state == "absent" }
            // An empty disk is not taken for the volume.
            try archive.mustShell("cp new/0.dcm \"$I/\"; test ! -e ../volume2/blobs")
            let replaced = try archive.pacsfs("volume", "replace", archive.volumes[1])
            #expect(
                replaced.succeeded && replaced.output.contains("is volume 3 now"),
                "\(replaced.report)")
            try wait(for: "copied", archive) {
                $0.copies.underReplicated == 0 && $0.volumes[1].state == "online"
            }
            try archive.mustShell(
                "cp new/1.dcm \"$I/\"; sha256sum old/* new/[01].dcm | cut -c1-64 | sort >known")
            try expectEverythingOnBoth(archive)
            #expect(try archive.pacsfs("status").code == 0)
            // A start finds it as the daemon has left it.
            try archive.unmount()
            try archive.mount()
            #expect(try archive.pacsfs("status").code == 0)
            try expectEverythingOnBoth(archive)
        }
    }
}
