import Foundation
import TestSupport
import Testing

/// `pacsfs verify` and `pacsfs scrub` as they are called, beside a daemon and without one.
@Suite(
    "Verify and scrub", .serialized, .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount)
)
struct VerifyTests {
    private struct Verified: Decodable {
        var faults: Int
        var attentions: Int
        var records: Int
        var head: String
        var notedHeadFound: Bool?
    }

    private struct Scrubbed: Decodable {
        struct Volume: Decodable {
            var files: Int
            var bad: Int
            var healed: Int
        }

        var volumes: [Volume]
        var unhealed: [String]
    }

    @Test(
        "verify proves that everything fits, or its exit code says that it does not",
        arguments: [true, false])
    func verify(_ isMounted: Bool) throws {
        try MountedArchive.with(isMounted: isMounted) { archive in
            _ = try archive.writeSamples()
            try #require(try archive.pacsfs("import", "samples").code == 0)
            let clean = try archive.pacsfs("verify", "--json")
            #expect(clean.code == 0, "\(clean.report)")
            let report = try clean.json(Verified.self)
            #expect(report.faults == 0 && report.attentions == 0)
            let noted = "\(report.head):\(report.records)"
            let found = try archive.pacsfs("verify", "--head", noted)
            #expect(
                found.code == 0 && found.output.contains("The noted head is in the chain."),
                "\(found.report)")
            let other = try archive.pacsfs("verify", "--head", String(repeating: "0", count: 64))
            #expect(other.code == 2, "\(other.report)")
            #expect(try archive.pacsfs("verify", "--head", "12").code == 64)
            try archive.mustShell("echo x >\(archive.volumes[0])/blobs/note.txt")
            let attention = try archive.pacsfs("verify")
            #expect(
                attention.code == 1 && attention.output.contains("blobs/note.txt"),
                "\(attention.report)")
            let blob = try archive.mustShell(
                "find \(archive.volumes[1])/blobs -name '*.dcm' | sort | head -n 1"
            ).output
                .trimmingCharacters(in: .newlines)
            try archive.mustShell(
                "chmod 644 \(blob); printf x | dd of=\(blob) bs=1 seek=400 conv=notrunc status=none"
            )
            let changed = try archive.pacsfs("verify")
            #expect(changed.code == 2 && changed.output.contains(blob), "\(changed.report)")
            // One volume, looked at for itself.
            #expect(try archive.pacsfs("verify", archive.volumes[0]).code == 1)
        }
    }

    @Test("scrub heals, and its exit code says so", arguments: [true, false])
    func scrub(_ isMounted: Bool) throws {
        try MountedArchive.with(isMounted: isMounted) { archive in
            _ = try archive.writeSamples()
            try #require(try archive.pacsfs("import", "samples").code == 0)
            let clean = try archive.pacsfs("scrub")
            #expect(
                clean.code == 0 && clean.output.hasPrefix("All copies are good."), "\(clean.report)"
            )
            let blobs = try archive.mustShell(
                "cd \(archive.volumes[1]); find blobs -name '*.dcm' | sort"
            ).lines
            for blob in blobs.prefix(3) {
                try archive.mustShell("rm -f \(archive.volumes[1])/\(blob)")
            }
            let healed = try archive.pacsfs("scrub", "--json")
            #expect(healed.code == 1, "\(healed.report)")
            let report = try healed.json(Scrubbed.self)
            #expect(report.volumes.map(\.bad) == [0, 3] && report.volumes.map(\.healed) == [0, 3])
            #expect(try archive.pacsfs("scrub", archive.volumes[1]).code == 0)
            for volume in archive.volumes { try archive.mustShell("rm -f \(volume)/\(blobs[5])") }
            let lost = try archive.pacsfs("scrub")
            #expect(
                lost.code == 2 && lost.output.hasPrefix("DATA LOST: 1 image has"), "\(lost.report)")
            #expect(try archive.pacsfs("scrub", "--rate", "fast").code == 64)
            let unknown = try archive.pacsfs("scrub", "7")
            #expect(
                unknown.code == 2 && unknown.errors.contains("no volume 7"), "\(unknown.report)")
        }
    }

    @Test("A scrub by the daemon ends when the command does, and when the daemon does")
    func ends() throws {
        try MountedArchive.with { archive in
            _ = try archive.writeSamples()
            try #require(try archive.pacsfs("import", "samples").code == 0)
            // So slowly that it would take an hour.
            let cut = try archive.shell(
                "timeout --preserve-status -s INT 2 $PACSFS scrub --rate 1k")
            #expect(cut.code == 130, "\(cut.report)")
            let next = try archive.pacsfs("scrub")
            #expect(next.code == 0, "\(next.report)")
            try archive.mustShell("$PACSFS scrub --rate 1k >scrub.out 2>&1 & sleep 1")
        }
    }
}
