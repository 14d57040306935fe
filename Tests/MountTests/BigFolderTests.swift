import Foundation
import Programs
import SyntheticStudy
import Testing

/// A folder with very many entries. Scripts/bench list does the same with a million.
@Suite(
    "Very full folders", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct BigFolderTests {
    private static let images = 10_000
    private static let patients = 200
    private static let arriving = 100

    @Test("It is listed whole and without duplicates, also while more images come")
    func list() throws {
        // How images are read is no matter here.
        try MountedArchive.with(isMounted: false) { archive in
            let study = SyntheticStudy(
                seed: 7, modality: .computedTomography, series: 1, imagesPerSeries: Self.arriving + 1, side: 16)
            for index in 0...Self.arriving {
                let folder = index == 0 ? "first" : "more"
                try Files.write(study.image(series: 0, index: index).write(), to: "\(archive.work)/\(folder)/\(index).dcm")
            }
            let first = try archive.pacsfs("import", "first")
            try #require(first.succeeded, "\(first.report)")
            let scripts = URL(filePath: #filePath).deletingLastPathComponent().path + "/../../Scripts/benchmarks"
            let filled = try archive.mustShell(
                """
                rm "$PACSFS_ARCHIVE"/index.sqlite*
                "$SCRIPTS/fill-folders" "$V1" "$IMAGES" "$PATIENTS" "$V1" "$V2"
                """,
                [
                    "SCRIPTS": scripts, "V1": archive.volumes[0], "V2": archive.volumes[1],
                    "IMAGES": "\(Self.images)", "PATIENTS": "\(Self.patients)",
                ])
            try archive.mount()
            let folder = archive.mountpoint + "/" + (filled.lines.last ?? "")
            let run = try archive.shell(
                """
                exec python3 -c '
                import os, subprocess, sys
                folder, images, arriving, patients = sys.argv[1], *map(int, sys.argv[2:5])
                before = os.listdir(folder)
                assert len(before) == len(set(before)) == images, len(before)
                importing = subprocess.Popen([os.environ["PACSFS"], "import", "more"], stdout=subprocess.DEVNULL)
                rounds = 0
                while True:
                    ended = importing.poll() is not None
                    # By name only, and with what stat says: the kernel asks in two ways.
                    names = [entry.name for entry in os.scandir(folder)]
                    assert len(names) == len(set(names)), len(names)
                    assert set(before) <= set(names)
                    rounds += 1
                    if ended: break
                assert importing.returncode == 0 and len(names) == images + arriving, len(names)
                listed = subprocess.run(["ls", "-lU", folder], capture_output=True, text=True, check=True)
                assert len(listed.stdout.splitlines()) == images + arriving + 1 and not listed.stderr
                for view in ["by-patient", "by-id"]:
                    assert len(os.listdir(os.environ["M"] + "/" + view)) == patients + 1
                print(rounds)
                ' "$FOLDER" "$IMAGES" "$ARRIVING" "$PATIENTS"
                """,
                [
                    "FOLDER": folder, "IMAGES": "\(Self.images)", "ARRIVING": "\(Self.arriving)",
                    "PATIENTS": "\(Self.patients)",
                ])
            #expect(Int(run.output.filter(\.isNumber)).map { $0 > 1 } == true, "\(run.report)")
        }
    }
}
