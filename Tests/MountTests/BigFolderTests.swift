import Foundation
import TestSupport
import SyntheticStudy
import Testing

/// A folder with very many entries. Scripts/bench list does the same with a million.
@Suite(
    "Very full folders", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct BigFolderTests {
    private static let images = 100_000
    private static let patients = 200
    private static let arriving = 10_000

    @Test("It is listed whole and without duplicates, also while more images come")
    func list() throws {
        // The way in which images are read does not matter here.
        try MountedArchive.with(isMounted: false) { archive in
            let study = SyntheticStudy(
                seed: 7, modality: .computedTomography, series: 1,
                imagesPerSeries: Self.arriving + 1, side: 16)
            for index in 0...Self.arriving {
                let folder = index == 0 ? "first" : "more/\(index % ReadMode.allCases.count)"
                try Files.write(
                    study.image(series: 0, index: index).write(),
                    to: "\(archive.work)/\(folder)/\(index).dcm")
            }
            let first = try archive.pacsfs("import", "first")
            try #require(first.succeeded, "\(first.report)")
            let scripts =
                URL(filePath: #filePath).deletingLastPathComponent().path
                + "/../../Scripts/benchmarks"
            let filled = try archive.mustShell(
                """
                rm "$PACSFS_ARCHIVE"/index.sqlite*
                "$SCRIPTS/fill-folders" "$V1" "$IMAGES" "$PATIENTS" "$V1" "$V2"
                """,
                [
                    "SCRIPTS": scripts, "V1": archive.volumes[0], "V2": archive.volumes[1],
                    "IMAGES": "\(Self.images)", "PATIENTS": "\(Self.patients)",
                ])
            let folder = filled.lines.last ?? ""
            // The archive grows from one mount to the next.
            for (index, mode) in ReadMode.allCases.enumerated() {
                try archive.mount(mode)
                let run = try archive.shell(
                    #""$SCRIPTS/list-while-importing" "$M/$FOLDER" "more/$INDEX" "$PACSFS" import"#,
                    ["SCRIPTS": scripts, "FOLDER": folder, "INDEX": "\(index)"])
                #expect(Int(run.output.filter(\.isNumber)).map { $0 > 1 } == true, "\(run.report)")
                let count = Self.images + (index + 1) * Self.arriving / ReadMode.allCases.count
                #expect(
                    try archive.mustShell(#"ls -lU "$M/$FOLDER" | wc -l"#, ["FOLDER": folder]).lines
                        == ["\(count + 1)"])
                for view in ["by-patient", "by-id"] {
                    let names = try FileManager.default.contentsOfDirectory(
                        atPath: archive.mountpoint + "/" + view)
                    #expect(
                        Set(names).count == Self.patients + 1 && names.count == Self.patients + 1)
                }
                try archive.unmount()
            }
        }
    }
}
