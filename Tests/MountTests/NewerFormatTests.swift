import Foundation
import TestSupport
import Testing

/// `Tests/Fixtures/volume-v2`: a volume as a later pacsfs may write it. Its format is 2, and its
/// ledger has a record of a kind that format 1 does not know. It never changes.
@Suite("A volume of a newer pacsfs", .serialized)
struct NewerFormatTests {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../..").standardizedFileURL
    private static let fixture = repository.appending(path: "Tests/Fixtures/volume-v2").path

    /// What makes the volume one that must be refused.
    enum Newer: CaseIterable {
        case format
        case record

        /// What everybody says of it.
        var sentence: String {
            switch self {
            case .format: "the volume has format 2, this pacsfs knows up to 1"
            case .record: "\"hologram\", which this pacsfs does not know"
            }
        }
    }

    @Test(
        "is refused by mount, verify, init and Scripts/read-volume; nothing is changed",
        .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount), arguments: Newer.allCases)
    func refused(_ newer: Newer) throws {
        let folder = try TemporaryFolder()
        let pacsfs = try #require(PacsfsProgram.path)
        let volume = folder.path("volume")
        func run(_ words: String...) throws -> ProgramRun { try ProgramRun(words) }
        try #require(
            run(
                pacsfs, "init", "--archive", folder.path("archive"), "--volume", volume, "--copies",
                "1"
            ).succeeded)
        // The archive is the one of the fixture; git keeps neither modes nor empty folders.
        let made = try run(
            "bash", "-euc",
            """
            cd '\(folder.path(""))'
            id=$(grep -o '"archive": "[^"]*"' '\(Self.fixture)/pacsfs-volume.json' | cut -d'"' -f4)
            sed -i 's/"archive":"[^"]*"/"archive":"'$id'"/' archive/archive.json
            rm -r volume
            cp -r '\(Self.fixture)' volume
            mkdir volume/blobs volume/staging volume/rejected mnt
            chmod -R u=rwX,go= volume
            if [ \(newer) = record ]; then sed -i '/format/s/2/1/' volume/pacsfs-volume.json; fi
            """)
        try #require(made.succeeded, "\(made.report)")
        let before = try run(
            "bash", "-c", "cd '\(volume)' && find . -type f | sort | xargs sha256sum")

        let mount = try run(
            pacsfs, "mount", folder.path("mnt"), "--archive", folder.path("archive"))
        #expect(mount.code == 2 && mount.errors.contains(newer.sentence), "\(mount.report)")
        for arguments in [["--archive", folder.path("archive")], [volume]] {
            let verify = try ProgramRun([pacsfs, "verify"] + arguments)
            #expect(verify.code == 2 && verify.output.contains(newer.sentence), "\(verify.report)")
            // Nothing was changed, and nothing is damaged.
            #expect(verify.output.hasPrefix("NOT CHECKED: a newer pacsfs"), "\(verify.report)")
            #expect(!verify.output.contains("Does not fit"), "\(verify.report)")
        }
        let again = try run(
            pacsfs, "init", "--archive", folder.path("again"), "--from", volume)
        #expect(again.code == 2 && again.errors.contains(newer.sentence), "\(again.report)")
        let reader = try run(
            "python3", Self.repository.appending(path: "Scripts/read-volume").path, volume)
        let expected =
            newer == .format
            ? "a newer pacsfs wrote the volume: it has format 2, and this program knows format 1"
            : "record 4: unknown kind hologram"
        #expect(reader.code == 1 && reader.errors.contains(expected), "\(reader.report)")

        let after = try run(
            "bash", "-c", "cd '\(volume)' && find . -type f | sort | xargs sha256sum")
        #expect(after.output == before.output)
    }
}
