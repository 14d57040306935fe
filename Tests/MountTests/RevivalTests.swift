import Foundation
import TestSupport
import Testing

/// Recovery after the machine has burnt down and one disk has not.
@Suite("Bringing an archive back", .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount))
struct RevivalTests {
    /// Paths, inode numbers, times and content of all views.
    private static let listing =
        """
        cd $M && find by-* -printf '%p %i %T@ %s %y\\n' | sort && find by-* -type f -print0 | \
        sort -z | xargs -0 sha256sum
        """

    /// Makes an archive of samples, and returns its contents.
    private func fill(_ archive: MountedArchive) throws -> String {
        try archive.importSamples()
        return try archive.mustShell(Self.listing).output
    }

    @Test(
        "From each volume alone, copied elsewhere, a mount shows the same paths and bytes",
        arguments: 1...2)
    func alone(number: Int) throws {
        try MountedArchive.with { archive in
            let before = try fill(archive)
            #expect(before.split(separator: "\n").count > 20)
            try archive.unmount()
            try archive.mustShell(
                """
                cp -a \(archive.volumes[number - 1]) survivor
                rm -rf \(archive.archive) \(archive.volumes[0]) \(archive.volumes[1])
                "$PACSFS" init --from survivor --archive \(archive.archive) >told
                grep -q absent told
                """)
            try archive.mount()
            #expect(try archive.mustShell(Self.listing).output == before)
            let status = try archive.pacsfs("status")
            #expect(status.code != 0)
            #expect(status.output.contains("absent"), "\(status.report)")
        }
    }

    /// `Tests/Fixtures/volume-v1`; ArchiveTests/FormatTests says how it is made.
    private static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Fixtures/volume-v1").standardizedFileURL.path

    @Test(
        """
        A volume of format 1 is mounted with the paths, inode numbers, sizes, times and bytes of \
        old
        """
    )
    func formatOne() throws {
        try MountedArchive.with { archive in
            try archive.unmount()
            // git keeps neither modes nor empty folders.
            try archive.mustShell(
                """
                cp -r '\(Self.fixture)' survivor
                mkdir survivor/staging
                chmod 700 survivor/*/
                find survivor/blobs -type f -exec chmod 444 {} +
                rm -rf \(archive.archive) \(archive.volumes[0]) \(archive.volumes[1])
                "$PACSFS" init --from survivor --archive \(archive.archive) --copies 1
                """)
            try archive.mount()
            let shown = try archive.mustShell(
                """
                cd $M
                export TZ=UTC
                find by-* -type d -printf 'directory %i %TY-%Tm-%TdT%TH:%TM:%TS %p/\\n'
                find by-* -type f -printf 'file %i %s %TY-%Tm-%TdT%TH:%TM:%TS %p\\n'
                """
            ).output.split(separator: "\n").map { line in
                // GNU find prints ten digits of a second.
                line.replacing(#/(:\d\d\.\d{9})0 /#) { "\($0.1)Z " }
            }
            let lines = try String(contentsOfFile: Self.fixture + ".txt", encoding: .utf8)
                .split(separator: "\n")
            let expected = lines.filter { $0.hasPrefix("directory ") || $0.hasPrefix("file ") }
            #expect(expected.count > 20)
            #expect(shown.sorted() == expected.sorted())
            // The bytes of each image are those of its digest.
            let digests = lines.filter { $0.hasPrefix("image ") }.map {
                $0.split(separator: " ")[2]
            }
            let bytes = try archive.mustShell(
                "cd $M && find by-* -type f -exec sha256sum {} + | cut -c1-64 | sort -u"
            ).output
            #expect(bytes.split(separator: "\n") == digests.sorted())
        }
    }

    @Test("A lost or damaged index is rebuilt by the next mount, and by command")
    func index() throws {
        try MountedArchive.with { archive in
            let before = try fill(archive)
            let refused = try archive.pacsfs("rebuild")
            #expect(refused.code == 2)
            #expect(refused.errors.contains("pacsfs unmount"), "\(refused.report)")
            try archive.unmount()
            try archive.mustShell("rm $PACSFS_ARCHIVE/index.sqlite*")
            try archive.mount()
            #expect(try archive.mustShell(Self.listing).output == before)
            try archive.unmount()
            try archive.mustShell("printf garbage >$PACSFS_ARCHIVE/index.sqlite")
            try archive.mount()
            #expect(try archive.mustShell(Self.listing).output == before)
            try archive.mustShell("ls $PACSFS_ARCHIVE/index.sqlite.corrupt-*")
            try archive.unmount()
            let rebuilt = try archive.mustShell("\"$PACSFS\" rebuild --json")
            #expect(rebuilt.output.contains("\"images\""))
            try archive.mount()
            #expect(try archive.mustShell(Self.listing).output == before)
        }
    }

    @Test("With all ledgers gone every image is back from the blobs")
    func blobs() throws {
        try MountedArchive.with { archive in
            _ = try fill(archive)
            let images = "cd $M/by-uid && find . -type f | sort"
            let before = try archive.mustShell(images).output
            try archive.unmount()
            try archive.mustShell(
                """
                rm -rf \(archive.volumes[0])/ledger/* \(archive.volumes[1])/ledger/* \
                $PACSFS_ARCHIVE/index.sqlite*
                """
            )
            try archive.mustShell("\"$PACSFS\" rebuild --from-blobs")
            try archive.mount()
            #expect(try archive.mustShell(images).output == before)
        }
    }

    @Test("The recovery by hand in README.md works as it is written")
    func byHand() throws {
        try MountedArchive.with { archive in
            _ = try fill(archive)
            let expected = try archive.mustShell(
                "cd $M/by-uid && find . -type f -exec sha256sum {} + | cut -c1-64 | sort -u"
            ).output
            try archive.unmount()
            let script = try Self.recoveryByHand()
            try archive.mustShell(
                """
                mv \(archive.volumes[1]) survivor && rm -rf \(archive.archive) \
                \(archive.volumes[0])
                """
            )
            func run() throws -> ProgramRun {
                try archive.shell(
                    "mkdir -p home && export HOME=$PWD/home PATH=/usr/bin:/bin && cd survivor\n"
                        + script)
            }
            let whole = try run()
            #expect(whole.succeeded, "\(whole.report)")
            #expect(
                !whole.output.contains("FAILED") && !whole.errors.contains("FAILED"),
                "\(whole.report)")
            #expect(whole.output.lowercased().contains("smith"), "the ledger names the patient")
            let recovered = try archive.mustShell(
                "cd home/recovered && sha256sum *.dcm | cut -c1-64 | sort -u"
            ).output
            #expect(recovered == expected)
            // The damaged file is named.
            try archive.mustShell(
                """
                f=$(find survivor/blobs -name '*.dcm' | head -n 1) && chmod 644 $f && printf x \
                >>$f && basename $f >damaged
                """
            )
            let damaged = try archive.shell(
                "cd survivor\n" + script.split(separator: "\n").prefix(2).joined(separator: "\n"))
            let name = try Files.text(archive.work + "/damaged").trimmingCharacters(
                in: .whitespacesAndNewlines)
            #expect(
                damaged.output.contains(name) && damaged.output.contains("FAILED"),
                "\(damaged.report)")
        }
    }

    /// The code block below the heading, from the README beside the sources.
    private static func recoveryByHand(file: String = #filePath) throws -> String {
        let package = URL(fileURLWithPath: file).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let text = try Files.text(package.path + "/README.md")
        let section = try #require(
            text.components(separatedBy: "### Recovery by hand").dropFirst().first)
        let block = try #require(section.components(separatedBy: "```sh\n").dropFirst().first)
        let script = try #require(block.components(separatedBy: "```").first)
        try #require(script.contains("sha256sum -c"))
        return script
    }
}
