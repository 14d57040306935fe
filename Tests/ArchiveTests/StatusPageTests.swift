import Foundation
import Storage
import TagIndex
import TemporaryArchive
import Testing

@testable import Archive

@Suite("status.html and metrics.prom")
struct StatusPageTests {
    private let time = Timestamp(nanoseconds: 1_795_864_223_000_000_000)

    private func status(_ change: (inout ArchiveStatus) -> Void = { _ in }) -> ArchiveStatus {
        func volume(_ number: Int) -> ArchiveStatus.Volume {
            .init(
                ordinal: number, id: "\(number)", path: "/mnt/\(number)", domain: "d\(number)",
                state: .online, problem: nil, blobs: 100, free: 1 << 40, total: 1 << 41, errors: 0,
                scrubbed: nil)
        }
        var status = ArchiveStatus(
            health: .init(level: .safe, headline: "Safe: all is well.", reasons: []),
            archive: "/a", instances: 1204, studies: 5, patients: 4, blobs: 100, bytes: 1 << 20,
            copies: .init(
                wanted: 2, minimum: 1, underReplicated: 0, single: 0, lost: 0, lostImages: []),
            volumes: [volume(1), volume(2)], readMode: nil, mountpoint: nil,
            incoming: .init(pending: 0), rejected: 0,
            ledger: .init(records: 1, head: "", ordinals: [1, 2]),
            freeSpace: .init(bytes: 1 << 40, bytesPerDay: 1 << 20, daysLeft: 1 << 20),
            resilver: ResilverProgress())
        status.time = time
        status.intake.days = [
            .init(date: "2026-11-28", modality: "CT", images: 12, bytes: 1),
            .init(date: "2026-11-20", modality: "", images: 30, bytes: 1),
        ]
        status.intake.modalities = [.init(modality: "CT", images: 12, bytes: 1)]
        change(&status)
        return status
    }

    private func page(_ change: (inout ArchiveStatus) -> Void = { _ in }) -> String {
        StatusPage(status(change)).html(at: time)
    }

    @Test("The page says the sentence of status, and as of when")
    func sentence() {
        let text = page {
            $0.health = Health(
                level: .attention, headline: "ATTENTION: /mnt/1 is absent. pacsfs volume add DIR",
                reasons: ["/mnt/1 is absent. pacsfs volume add DIR", "Another thing."])
        }
        #expect(text.contains("<h1>Attention</h1>"))
        #expect(text.contains("/mnt/1 is absent. <code>pacsfs volume add DIR</code>"))
        // What the sentence says is not said again.
        #expect(text.contains("<li>Another thing.</li>") && !text.contains("<li>/mnt/1"))
        #expect(text.contains("datetime=\"2026-11-28T11:10:23Z\""))
        #expect(text.contains("1,204"))
    }

    @Test(
        "Commands end where sentences do",
        arguments: [
            ("Add it: pacsfs volume add DIR", "Add it: <code>pacsfs volume add DIR</code>"),
            (
                "/mnt/pacsfs is away: pacsfs volume replace /a.b [NEW]; or pacsfs volume add DIR",
                "/mnt/pacsfs is away: <code>pacsfs volume replace /a.b [NEW]</code>; or "
                    + "<code>pacsfs volume add DIR</code>"
            ),
            ("Run pacsfs reload. Then wait.", "Run <code>pacsfs reload</code>. Then wait."),
            (
                "pacsfs mount MOUNTPOINT Safe: all images.",
                "<code>pacsfs mount MOUNTPOINT</code> Safe: all images."
            ),
            (
                "pacsfs volume add DIR Also: the disk is full.",
                "<code>pacsfs volume add DIR</code> Also: the disk is full."
            ),
            ("pacsfs takes it up by itself", "pacsfs takes it up by itself"),
        ])
    func commands(_ sentence: String, _ html: String) {
        #expect(HTML.withCommands(sentence).text == html)
    }

    @Test("Whatever a text has in it, it remains text")
    func escaping() throws {
        let evil = "\"'><script>alert(1)</script>&amp;\u{202E}\u{7}"
        let text = page { status in
            status.archive = evil
            status.mountpoint = evil
            status.volumes[0].path = evil
            status.volumes[0].disk = evil
            status.volumes[0].domain = evil
            status.volumes[0].problem = evil
            status.health.headline = "NOT SAFE: " + evil
            status.health.reasons = [evil + "."]
            status.intake.days[0].modality = evil
            status.ledger.head = evil
        }
        let plain = page()
        // Elements and attributes are those of a page with harmless texts.
        #expect(text.matches(of: /<script/).count == plain.matches(of: /<script/).count)
        #expect(!text.contains("alert(1)</script>") && !text.contains("'>"))
        #expect(!text.unicodeScalars.contains { $0 == "\u{202E}" || $0 == "\u{7}" })
        #expect(
            text.contains(
                "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;\u{FFFD}\u{FFFD}"))
        let unknown = StatusPage.html(withoutStatus: evil, at: time)
        #expect(!unknown.contains("<script>alert") && unknown.contains("&lt;script&gt;"))
    }

    @Test("The page loads nothing, and its policy lets only its own script run")
    func selfContained() throws {
        let text = page()
        #expect(!text.contains("http://") && !text.contains("https://") && !text.contains("url(/"))
        for match in text.matches(of: #/(?:src|href)="([^"]*)"/#) {
            #expect(match.1.hasPrefix("data:"), "\(match.1)")
        }
        let script = try #require(text.firstMatch(of: #/<script>((?s).*?)</script>/#)).1
        let hash = Data(Digest.of(Array(script.utf8)).bytes).base64EncodedString()
        #expect(text.contains("default-src &#39;none&#39;"))
        #expect(text.contains("script-src &#39;sha256-\(hash)&#39;"))
    }

    @Test("Free space is no news until it changes much, a scrubbed folder is none, an image is")
    func news() {
        let shown = self.status().shown(after: nil)
        func isNews(_ change: (inout ArchiveStatus) -> Void) -> Bool {
            let next = self.status {
                $0.time = Timestamp(nanoseconds: time.nanoseconds + 1_000_000_000)
                change(&$0)
            }
            return next.shown(after: shown).time != shown.time
        }
        #expect(!isNews { _ in })
        #expect(
            !isNews {
                $0.volumes[0].free -= 1 << 32
                $0.freeSpace.bytes -= 1 << 32
                $0.freeSpace.daysLeft = (1 << 20) - 5
                $0.ledger = .init(records: 99, head: "f", ordinals: [1, 2])
                $0.readMode = .cached
                $0.indexRebuilt = IndexRebuilt(time: time, reason: "")
            })
        #expect(isNews { $0.volumes[0].free -= 1 << 39 })
        #expect(isNews { $0.freeSpace.bytes = 0 })
        #expect(isNews { $0.freeSpace.daysLeft = 59 })
        #expect(isNews { $0.instances += 1 })
        #expect(isNews { $0.volumes[1].state = .absent })
        #expect(isNews { $0.health.headline = "Safe: everything is well." })
        #expect(isNews { $0.incoming.pending = 1 })
        #expect(isNews { $0.verification = .init(VerificationNote(.init(), at: time)) })
        #expect(isNews { $0.time = Timestamp(nanoseconds: time.nanoseconds + 86_400_000_000_000) })
        #expect(isNews { $0.volumes.removeLast() })
        // Small steps add up.
        var status = self.status()
        var shownLast = shown
        for step in 1...12 {
            status.volumes[0].free -= 1 << 36
            status.time = Timestamp(nanoseconds: time.nanoseconds + Int64(step))
            shownLast = status.shown(after: shownLast)
        }
        let (last, now) = (shownLast.volumes[0].free, status.volumes[0].free)
        #expect(last - now <= last / 4 && now < (1 << 40) / 3)
    }

    private func drill(
        _ source: DrillSource, faults: Int64 = 0,
        _ change: (inout ArchiveStatus.Drill) -> Void = { _ in }
    ) -> ArchiveStatus.Drill {
        var drill = ArchiveStatus.Drill(
            source: source,
            .init(
                source: source.key, time: time.nanoseconds, images: 1204, listed: 1203, seen: 1202,
                restored: 42, decoded: 41, faults: faults, report: []), nil, since: 0)
        change(&drill)
        return drill
    }

    @Test("Drills show apart what was listed, seen, restored and decoded, and what is wrong")
    func drills() throws {
        let change = { (status: inout ArchiveStatus) in
            status.drills = [
                drill(.volume(1)) { $0.fullRestoreS = 7200 },
                drill(.volume(2)) { $0.isOverdue = true },
                drill(.remote("b2"), faults: 2) { $0.problem = "An image is gone: pacsfs scrub" },
                .init(source: .remote("new"), nil, nil, since: 0),
            ]
        }
        let text = page(change)
        for word in [
            "1,203</td>", "1,202</td>", ">42</td>", ">41</td>", "2 hours", "✓ passed",
            "▲ overdue", "✕ failed: 2 things", "An image is gone: <code>pacsfs scrub</code>",
            "The off-site copy &quot;b2&quot;</b>", "not yet",
        ] {
            #expect(text.contains(word), "\(word)")
        }
        var status = self.status(change)
        let findings = status.drillFindings
        #expect(findings.count == 2)
        #expect(
            findings[0].contains(
                "An image is gone: pacsfs scrub; then try again: pacsfs drill b2. All of it"))
        #expect(findings[1].contains("pacsfs drill 2") && !findings[1].contains("volume 1"))
        let metrics = StatusMetrics(status).text(at: time)
        for line in [
            "pacsfs_drill_passed{source=\"remote b2\"} 0",
            "pacsfs_drill_overdue{source=\"volume 2\"} 1",
            "pacsfs_drill_full_restore_seconds{source=\"volume 1\"} 7200",
            "pacsfs_drill_decoded_images{source=\"volume 1\"} 41", "pacsfs_restoring 0",
        ] {
            #expect(metrics.contains("\n\(line)\n"), "\(line)")
        }
        #expect(!metrics.contains("pacsfs_drill_passed{source=\"remote new\"}"))
        status.drills = []
        #expect(!StatusPage(status).html(at: time).contains("id=\"drills\""))
    }

    @Test("A restore shows how far it is, and what cannot be read yet")
    func restoring() throws {
        var progress = RestoreProgress()
        (progress.images, progress.totalImages) = (1000, 4000)
        (progress.bytes, progress.totalBytes) = (1 << 30, 4 << 30)
        #expect(progress.secondsLeft(after: 60_000_000_000) == 180)
        let status = self.status {
            $0.restoring = "1,000 of 4,000 images are restored."
            $0.restore = .init(progress, timeLeft: 180)
            $0.copies.lost = 3000
        }
        let text = StatusPage(status).html(at: time)
        for word in [
            "Being restored", "1,000 of 4,000 images are back", "25 percent restored", "3 minutes",
            "▲ 3,000",
        ] {
            #expect(text.contains(word), "\(word)")
        }
        #expect(!page().contains("Being restored"))
        let metrics = StatusMetrics(status).text(at: time)
        #expect(metrics.contains("\npacsfs_restore_missing_images 3000\n"))
        #expect(metrics.contains("\npacsfs_restoring 1\n"))
    }

    @Test("A page about a large archive is still small")
    func size() {
        let text = page { status in
            status.volumes = (1...16).map { number in
                var volume = status.volumes[0]
                volume.ordinal = number
                return volume
            }
            status.intake.days = (0..<30).flatMap { day in
                (0..<20).map { modality in
                    .init(
                        date: Timestamp(
                            nanoseconds: time.nanoseconds - Int64(day) * 86_400_000_000_000
                        ).date, modality: "M\(modality)", images: 1_000_000, bytes: 1)
                }
            }
        }
        #expect(text.utf8.count < 150_000)
        #expect(text.contains("others"))
    }

    // MARK: Metrics

    /// What `promtool check metrics` and the textfile collector ask for, and a little more.
    @Test("metrics.prom is what Prometheus reads")
    func grammar() throws {
        let path = "/mnt/\"quoted\" back\\slash\nline"
        let text = StatusMetrics(
            status {
                $0.volumes[1].path = path
                $0.volumes[1].scrubbed = time
                $0.drills = [drill(.volume(1)), drill(.remote("b2"), faults: 1)]
                $0.restoring = ""
                $0.restore = .init(RestoreProgress(), timeLeft: nil)
                $0.intake.last = time
                $0.verification = .init(
                    VerificationNote(VerificationReport(), at: time))
            }
        ).text(at: time)
        #expect(text.hasSuffix("\n"))
        var (name, type, done) = ("", "", Set<String>())
        var samples: Set<String> = []
        for line in text.split(separator: "\n") {
            if let match = line.wholeMatch(of: /# HELP (pacsfs_[a-z_]+) [A-Z].*\./) {
                name = String(match.1)
                #expect(done.insert(name).inserted, "\(name) is there twice")
                type = ""
            } else if let match = line.wholeMatch(of: /# TYPE (\S+) (gauge|counter)/) {
                #expect(match.1 == name && type.isEmpty)
                type = String(match.2)
                #expect((type == "counter") == name.hasSuffix("_total"), "\(name)")
            } else {
                let label = #/[a-z]+="(?:[^"\\\n]|\\["\\n])*"/#
                let match = try #require(
                    line.wholeMatch(of: #/([a-z_]+)(\{.*\})? (-?\d+)/#), "\(line)")
                #expect(match.1 == name && !type.isEmpty, "\(line)")
                for part in (match.2 ?? "").dropFirst().dropLast().matches(of: label) {
                    #expect(!part.output.hasPrefix("le="))
                }
                let rest = (match.2 ?? "{}").dropFirst().dropLast().replacing(label, with: "")
                #expect(rest.allSatisfy { $0 == "," }, "\(line)")
                #expect(samples.insert("\(match.1)\(match.2 ?? "")").inserted, "\(line) is double")
                // Base units alone.
                for unit in ["_ms", "_ns", "_mb", "_days", "_kb"] { #expect(!name.hasSuffix(unit)) }
            }
        }
        #expect(samples.count > 30)
        #expect(text.contains("path=\"/mnt/\\\"quoted\\\" back\\\\slash\\nline\""))
        #expect(
            text.contains("\npacsfs_safe 1\n") && text.contains("pacsfs_health{level=\"safe\"} 1"))
        #expect(text.contains("\npacsfs_status_change_timestamp_seconds 1795864223\n"))
        let none = StatusMetrics.withoutStatus(at: time)
        #expect(none.contains("pacsfs_up 0\n") && !none.contains("pacsfs_safe"))
    }

    // MARK: Status

    @Test("The status counts by sums that the index keeps, and reads no row of an image")
    func sums() throws {
        let temporary = try TemporaryArchive()
        try temporary.archive(series(seed: 1) + series(seed: 2, images: 1))
        let before = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        // Nobody else knows what is gone.
        let index = IndexFile(temporary.path + "/index.sqlite")
        for table in ["copy", "study", "patient"] {
            try index.execute("PRAGMA foreign_keys = OFF; DELETE FROM \(table)")
        }
        let after = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        #expect(after.volumes.map(\.blobs) == [4, 4] && before.volumes.map(\.blobs) == [4, 4])
        #expect((after.studies, after.patients) == (2, 2))
        #expect(after.copies.oneDisk == before.copies.oneDisk)
        #expect(after.intake.days.map(\.images).reduce(0, +) == 4)
        #expect(after.intake.modalities.map(\.images).reduce(0, +) == 4)
        #expect(after.intake.last != nil && after.time > before.time)
    }

    @Test("The last verification is kept beside the index")
    func verification() throws {
        let temporary = try TemporaryArchive()
        var report = VerificationReport()
        report.add(.init(severity: .fault, reason: "A thing."))
        VerificationNote(report, at: time).keep(in: temporary.path)
        let status = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        #expect(status.verification.time == time && status.verification.faults == 1)
        #expect(StatusPage(status).html(at: time).contains("1 thing did not fit"))
    }
}
