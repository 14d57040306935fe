import Foundation
import OffsiteSupport
import TestSupport
import Testing

/// Alerts of daemons, by the clock: a minute until a thing is reported, five until it is over.
@Suite(
    "Alerts of mounted archives", .serialized,
    .enabled(if: PacsfsProgram.canMount, PacsfsProgram.cannotMount),
    .enabled(
        if: ProcessInfo.processInfo.environment["PACSFS_ALERTS"] != nil,
        "it takes ten minutes: set PACSFS_ALERTS=1"))
struct AlertMountTests {
    /// A change of the state, by scripts that run with the archive mounted.
    private struct Change {
        var worse: String
        var better: String
        /// What the alert says.
        var text: String
        var hasRemote = false
        /// Whether images come first.
        var getsImages = false
    }

    private static let helpers = """
        sql() {
            python3 -c 'import sqlite3, sys
        index = sqlite3.connect(sys.argv[1], timeout=30)
        for statement in sys.argv[2:]: index.execute(statement)
        index.commit()' "$PACSFS_ARCHIVE/index.sqlite" "$@"
        }
        ago() { echo $(( ($(date +%s) - $1 * 86400) * 1000000000 )); }
        again() { "$PACSFS" unmount "$M"; "$@"; "$PACSFS" mount "$M"; }
        damage() {
            file=$(find ../volume2/blobs -name '*.dcm' | sort | head -n 1)
            chmod u+w "$file"; printf x | dd of="$file" bs=1 seek=300 conv=notrunc status=none
        }

        """

    private static let changes: [String: Change] = [
        "absent": Change(
            worse: "mv ../volume2 ../away", better: "mv ../away ../volume2", text: "absent"),
        "failing": Change(
            worse:
                """
                again sql "UPDATE volume SET state = 'failing', errors = 12 WHERE ordinal = 2"
                """,
            better:
                """
                again sql "UPDATE volume SET state = 'active', errors = 0 WHERE ordinal = 2"
                """, text: "its disk is probably failing"),
        "short": Change(
            worse: #"again sed -i 's/^copies = 2/copies = 3/' "$PACSFS_ARCHIVE/pacsfs.toml""#,
            better: #"again sed -i 's/^copies = 3/copies = 2/' "$PACSFS_ARCHIVE/pacsfs.toml""#,
            text: "fewer than 3 copies"),
        "room": Change(
            worse: """
                free=$("$PACSFS" status --json | python3 -c '
                import json, sys; print(json.load(sys.stdin)["free_space"]["bytes"])' || true)
                sql "UPDATE meta SET value = $(ago 40) WHERE key = 'created'" \
                    "INSERT INTO intake VALUES ($(date +%s) / 86400 - 3, 'ZZ', 1, $free * 30 / 45)"
                """, better: "sql \"DELETE FROM intake WHERE modality = 'ZZ'\"",
            text: "The room will last"),
        "silent": Change(
            worse: """
                for day in {10..50}; do
                    sql "INSERT INTO intake VALUES ($(date +%s) / 86400 - $day, 'ZZ', 1, 1)"
                done
                """, better: "sql \"INSERT INTO intake VALUES ($(date +%s) / 86400, 'ZZ', 1, 1)\"",
            text: "No ZZ images since"),
        "verify": Change(
            worse: #"damage; "$PACSFS" verify >/dev/null || test $? = 2"#,
            better: #""$PACSFS" scrub || test $? = 1; "$PACSFS" verify || test $? = 1"#,
            text: "a verification found"),
        "drill failed": Change(
            worse: #"damage; "$PACSFS" drill --full 2 >/dev/null || test $? = 1"#,
            better: #""$PACSFS" scrub || test $? = 1; "$PACSFS" drill 2"#, text: "and failed"),
        "drill overdue": Change(
            worse: #""$PACSFS" drill; sql "UPDATE drill SET time = $(ago 60)""#,
            better: #""$PACSFS" drill"#, text: "has not been tried for too long"),
        "lagging": Change(
            worse: """
                sql "UPDATE instance SET received = $(ago 2)
                     WHERE id NOT IN (SELECT instance FROM offsite)"
                """, better: #""$PACSFS" offsite push"#, text: "are not off-site", hasRemote: true,
            getsImages: true),
        "check": Change(
            worse: """
                rm "$(find ../nas/packs -name '*.tar' | head -n 1)"
                "$PACSFS" offsite check >/dev/null || test $? = 1
                """, better: #""$PACSFS" offsite push; "$PACSFS" offsite check"#,
            text: "missing or not what was sent", hasRemote: true),
        "proof": Change(
            worse: "sql \"UPDATE object SET proven = $(ago 300)\"",
            better: #""$PACSFS" offsite check --download"#, text: "was read since",
            hasRemote: true),
    ]

    @Test("Each change of the state is reported once when it is for worse, once for better")
    func everything() throws {
        try inTurn(Self.changes.keys.sorted(), [])
    }

    /// Mounts an archive for each change, all at once, so that all wait for the same minutes.
    private func inTurn(_ names: [String], _ archives: [(String, MountedArchive)]) throws {
        guard let name = names.first, let change = Self.changes[name] else {
            return try run(archives)
        }
        try MountedArchive.with(isMounted: false, minimumCopies: 1) { archive in
            let alerts = archive.folder.path("alerts")
            try archive.configure { text in
                """
                alert_command = '''{ printf '%s\\n' "$1"; cat; printf '\\f'; } >>'\(alerts)' '''

                """ + text
            }
            try archive.importSamples()
            if change.hasRemote {
                try archive.mustShell(
                    """
                    "$PACSFS" offsite add nas '\(archive.folder.path("nas"))' >/dev/null
                    "$PACSFS" offsite push >/dev/null; "$PACSFS" offsite check >/dev/null
                    """)
                // Never in these minutes.
                try archive.configure {
                    let hour = Calendar.current.component(.hour, from: Date())
                    let hours = [3, 5].map { String(format: "%02d:00", (hour + $0) % 24) }
                    return $0
                        + "\n[offsite.nas]\nhours = \"\(hours.joined(separator: "-"))\"\n"
                }
            }
            try archive.mount()
            try inTurn(Array(names.dropFirst()), archives + [(name, archive)])
        }
    }

    private func run(_ archives: [(String, MountedArchive)]) throws {
        func alerts(_ archive: MountedArchive) -> [String] {
            ((try? Files.text(archive.folder.path("alerts"))) ?? "")
                .components(separatedBy: "\u{C}").dropLast()
        }
        func section(_ title: String, _ alert: String) -> String {
            alert.components(separatedBy: "\n\n").first { $0.hasPrefix(title + ":") } ?? ""
        }
        func count(_ title: String, _ text: String, _ archive: MountedArchive) -> Int {
            alerts(archive).count { section(title, $0).contains(text) }
        }
        func step(_ script: KeyPath<Change, String>, _ title: String, within seconds: Double) throws
        {
            for (name, archive) in archives {
                let change = try #require(Self.changes[name])
                try archive.mustShell(Self.helpers + change[keyPath: script], timeout: 120)
            }
            for (name, archive) in archives {
                let text = try #require(Self.changes[name]).text
                let isReported = eventually(within: seconds) {
                    count(title, text, archive) > 0
                }
                #expect(isReported, "\(name), \(title): \(alerts(archive))")
            }
        }
        for (name, archive) in archives where Self.changes[name]?.getsImages == true {
            try archive.importSeries(1...2)
        }
        try step(\.worse, "New", within: 300)
        try step(\.better, "Over", within: 600)
        for (name, archive) in archives {
            let text = try #require(Self.changes[name]).text
            #expect(count("New", text, archive) == 1, "\(name): \(alerts(archive))")
            #expect(count("Over", text, archive) == 1, "\(name): \(alerts(archive))")
        }
    }
}
