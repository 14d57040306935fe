import Storage

extension StatusPage {
    /// What the page says in detail, each in a box.
    ///
    /// - Parameter time: When the status was made.
    func sections(at time: Timestamp) -> [HTML] {
        ([restoring].compactMap(\.self) + [volumes, offsite, checks] + [drills].compactMap(\.self)
            + [intake, room, contents]).map { section in
                """
                <section aria-labelledby="\(section.id)" class="\(section.isWide ? "wide" : "")">
                <h2 id="\(section.id)">\(section.title)</h2>
                \(section.content)
                <p class="asof">As of \(Self.time(time))</p>
                </section>
                """
            }
    }

    struct Section {
        var id: String
        var title: String
        var isWide = false
        var content: HTML
    }

    /// A state in a word, with a sign for those who see no colours.
    enum Mark {
        case good, attention, bad, none

        func word(_ text: String) -> HTML {
            switch self {
            case .good: "<span class=\"mark good\">✓ \(text)</span>"
            case .attention: "<span class=\"mark attention\">▲ \(text)</span>"
            case .bad: "<span class=\"mark bad\">✕ \(text)</span>"
            case .none: "<span class=\"mark\">\(text)</span>"
            }
        }
    }

    /// A list of names and values.
    static func facts(_ facts: [(String, HTML)]) -> HTML {
        """
        <dl>
        \(facts.map { "<div><dt>\($0.0)</dt><dd>\($0.1)</dd></div>" as HTML })
        </dl>
        """
    }

    /// How much of something is done or used.
    ///
    /// - Parameters:
    ///   - share: From 0 to 1.
    ///   - meaning: What it is a share of, for those who cannot see it.
    static func bar(_ name: HTML, _ value: HTML, share: Double, _ meaning: String) -> HTML {
        let share = min(1, max(0, share))
        return """
            <div class="bar">
            <p><span>\(name)</span> <span>\(value)</span></p>
            <svg viewBox="0 0 1000 12" preserveAspectRatio="none" role="img"
            aria-label="\(Int((share * 100).rounded())) percent \(meaning)">
            <rect class="track" width="1000" height="12" rx="3"/>
            <rect class="used" width="\(Int((share * 1000).rounded()))" height="12" rx="3"/></svg>
            </div>
            """
    }

    // MARK: Restoring

    /// A restore that is not finished; `nil` when there is none.
    private var restoring: Section? {
        guard let sentence = status.restoring else { return nil }
        let lost = status.copies.lost
        var facts: [(String, HTML)] = [
            (
                "Images that are not back yet",
                lost == 0 ? Mark.good.word("none") : Mark.attention.word(Figures.grouped(lost))
            )
        ]
        var progress: HTML?
        if let restore = status.restore {
            let all = Figures.grouped(restore.totalImages)
            progress = Self.bar(
                "\(Figures.grouped(restore.images)) of \(all) images are back",
                "\(Figures.bytes(restore.bytes)) of \(Figures.bytes(restore.totalBytes))",
                share: Double(restore.bytes) / Double(max(1, restore.totalBytes)), "restored")
            facts.append(
                (
                    "Time left",
                    restore.timeLeftS.map { "about \(Figures.duration($0))" }
                        ?? "cannot be said yet"
                ))
        }
        let more: HTML? =
            status.health.headline.contains(sentence)
            ? nil : "<p>\(HTML.withCommands(sentence))</p>"
        return Section(
            id: "restore", title: "Being restored", isWide: true,
            content: "\(progress) \(Self.facts(facts)) \(more)")
    }

    // MARK: Volumes and copies

    private var volumes: Section {
        let copies = status.copies
        let short = copies.underReplicated
        let figures: [(String, HTML)] = [
            ("Copies wanted of each image", "\(copies.wanted)"),
            (
                "Images with fewer copies",
                short == 0
                    ? Mark.good.word("none") : Mark.attention.word(Figures.grouped(short))
            ),
            (
                "Images that one failed disk would cost",
                copies.oneDisk == 0
                    ? Mark.good.word("none") : Mark.bad.word(Figures.grouped(copies.oneDisk))
            ),
            (
                status.restoring == nil
                    ? "Images without any good copy" : "Images that are still to be restored",
                copies.lost == 0
                    ? Mark.good.word("none")
                    : (status.restoring == nil ? Mark.bad : .attention)
                        .word(Figures.grouped(copies.lost))
            ),
        ]
        let rows = status.volumes.map { volume -> HTML in
            let number = volume.ordinal.map(String.init) ?? "?"
            let problem = volume.problem.map {
                "<p class=\"problem\">\(HTML.withCommands($0))</p>" as HTML
            }
            let place = [volume.disk, volume.domain == volume.path ? nil : volume.domain]
                .compactMap { $0 }.joined(separator: ", in ")
            return """
                <tr>
                <th scope="row"><b>Volume \(number)</b> <span class="path">\(volume.path)</span>
                \(problem)</th>
                <td data-label="State">\(Self.state(of: volume))</td>
                <td data-label="Images" class="number">\(Figures.grouped(volume.blobs))</td>
                <td data-label="Bad copies" class="number">\(Figures.grouped(volume.errors))</td>
                <td data-label="Disk">\(place.isEmpty ? "unknown" : place)</td>
                </tr>
                """
        }
        return Section(
            id: "volumes", title: "Volumes and copies", isWide: true,
            content: """
                \(Self.facts(figures))
                <table>
                <thead><tr><th scope="col">Volume</th><th scope="col">State</th>
                <th scope="col" class="number">Images</th>
                <th scope="col" class="number">Bad copies</th>
                <th scope="col">Disk</th></tr></thead>
                <tbody>
                \(rows)
                </tbody>
                </table>
                """)
    }

    private static func state(of volume: ArchiveStatus.Volume) -> HTML {
        switch volume.state {
        case .online: Mark.good.word("online")
        case .readOnly: Mark.attention.word("read-only")
        case .failing: Mark.bad.word("failing")
        case .retiring: Mark.attention.word("being emptied")
        case .absent: Mark.bad.word(volume.isHung ? "does not answer" : "absent")
        }
    }

    // MARK: Away from the building

    private var offsite: Section {
        if status.remotes.isEmpty, let takenHome {
            return Section(
                id: "offsite", title: "Away from the building", content: takenHome)
        }
        guard !status.remotes.isEmpty else {
            return Section(
                id: "offsite", title: "Away from the building",
                content: """
                    <p>\(Mark.attention.word("nothing leaves the building"))</p>
                    <p>Fire, flood, theft or a virus can take all copies at once. For a copy
                    somewhere else: <code>pacsfs offsite add NAME REMOTE --encrypt</code></p>
                    """)
        }
        return Section(
            id: "offsite", title: "Away from the building",
            content: HTML(
                status.remotes.map {
                    """
                    <h3>The off-site copy "\($0.name)"</h3>
                    \($0.reason.map { "<p class=\"problem\">\($0)</p>" as HTML })
                    \(Self.facts(Self.facts(about: $0)))
                    """
                } + [takenHome].compactMap(\.self)))
    }

    /// The disks that are taken home, each with its age.
    private var takenHome: HTML? {
        guard !status.removable.isEmpty else { return nil }
        let facts = status.removable.map { volume -> (String, HTML) in
            let age: HTML =
                switch volume.complete {
                case nil: Mark.attention.word("never")
                case let time? where volume.isOld(at: status.time):
                    "\(Mark.attention.word("long ago:")) \(Self.time(time))"
                case let time?: Self.time(time)
                }
            let since = Figures.count(volume.missing, "image", "images")
            let state: HTML =
                switch volume.state {
                case .absent: "not here, \(since) since"
                case .catchingUp: "catching up, leave it plugged in"
                case .complete: "here; may be removed"
                case .incomplete: "here, and incomplete"
                }
            let bad =
                volume.bad == 0
                ? nil
                : "<small>\(Figures.count(volume.bad, "bad copy", "bad copies")) made anew</small>"
                    as HTML
            return (
                "Disk \(volume.id.prefix(8)) was last complete",
                "\(age) <small>\(state)</small> \(bad)"
            )
        }
        return "<h3>Disks taken home</h3>\(Self.facts(facts))"
    }

    private static func facts(about remote: ArchiveStatus.Remote) -> [(String, HTML)] {
        let waiting: HTML =
            if remote.imagesWaiting == 0 {
                Mark.good.word("none")
            } else {
                """
                \((remote.isLate ? Mark.attention : .none)
                    .word(Figures.grouped(remote.imagesWaiting))) \
                <small>\(Figures.bytes(remote.bytesWaiting))\(oldest(of: remote))</small>
                """
            }
        let wrong = remote.faults + remote.rolledBack
        let found =
            wrong == 0
            ? Mark.good.word("nothing wrong")
            : Mark.bad.word(
                "\(Figures.count(wrong, "object", "objects")) missing or changed")
        let check: HTML =
            if let time = remote.lastCheck {
                "\(found) <small>on \(Self.time(time))</small>"
            } else {
                "not yet"
            }
        let wipe: HTML =
            switch remote.wipeTest?.result {
            case .wipeProof: Mark.good.word("no")
            case .hidden: Mark.good.word("only hide it")
            case .destroyable:
                """
                \(Mark.bad.word("yes, everything")) <small>README, "For the IT person: before", says
                how to change that</small>
                """
            case nil: "not tried yet"
            }
        let tested: HTML? = remote.wipeTest.map { "<small>tried on \(Self.time($0.at))</small>" }
        return [
            ("Images there", "\(Figures.grouped(remote.images))"),
            ("Images still to be brought there", waiting),
            ("Compared with what was sent", check),
            (
                "Every object was read since",
                remote.oldestProof.map { time in
                    remote.isProofOverdue
                        ? "\(Mark.attention.word("too long ago")) <small>\(Self.time(time))</small>"
                        : "\(Self.time(time))"
                } ?? "nothing is there yet"
            ),
            ("Can our own keys destroy it?", "\(wipe) \(tested)"),
            (
                "Its server keeps hashes",
                remote.hash != nil
                    ? Mark.good.word("yes")
                    : "no, sizes only <small>what changed is found when it is read</small>"
            ),
            ("Encrypted", remote.isEncrypted ? Mark.good.word("yes") : "no"),
        ]
    }

    private static func oldest(of remote: ArchiveStatus.Remote) -> String {
        guard let seconds = remote.oldestWaiting else { return "" }
        let hours = seconds / 3600
        return hours < 1
            ? ", for less than an hour"
            : ", the oldest for \(Figures.count(hours, "hour", "hours"))"
    }

    // MARK: Checks

    private var checks: Section {
        let here = status.volumes.filter { $0.ordinal != nil }
        let unread = here.filter { $0.scrubbed == nil }
        let oldest = here.compactMap(\.scrubbed).min()
        let scrub: HTML =
            if let first = unread.first {
                """
                \(Mark.none.word("not all yet")) <small>\
                \(unread.count == 1 ? first.path : "\(unread.count) volumes") still to be read \
                once</small>
                """
            } else if let oldest {
                "since \(Self.time(oldest))"
            } else {
                "no volume is there"
            }
        let last = status.verification
        let verify: HTML =
            if let time = last.time {
                "\(Self.outcome(of: last)) <small>on \(Self.time(time))</small>"
            } else {
                "never <small>run <code>pacsfs verify</code></small>"
            }
        let alerts: HTML =
            if status.alerts.problem != nil {
                Mark.bad.word("not delivered")
            } else if let time = status.alerts.last {
                "\(Mark.good.word("yes")) <small>last on \(Self.time(time))</small>"
            } else {
                status.alerts.isConfigured ? Mark.good.word("yes") : Mark.attention.word("nobody")
            }
        let bad = here.map(\.errors).reduce(0, +)
        return Section(
            id: "checks", title: "Checks",
            content: Self.facts([
                ("Every copy on every disk was read", scrub),
                (
                    "Bad copies found since",
                    bad == 0 ? Mark.good.word("none") : Mark.attention.word(Figures.grouped(bad))
                ),
                ("Catalogue and images proven (verify)", verify),
                ("Somebody is told of trouble (alerts)", alerts),
            ]))
    }

    private static func outcome(of verification: ArchiveStatus.Verification) -> HTML {
        if verification.faults > 0 {
            let things = Figures.count(Int64(verification.faults), "thing", "things")
            return Mark.bad.word("\(things) did not fit")
        }
        return verification.attentions > 0
            ? Mark.attention.word("nothing lost; \(verification.attentions) to look at")
            : Mark.good.word("everything fitted")
    }

    // MARK: Drills

    /// Whether images could be restored, as it was tried; `nil` when drills are switched off and
    /// there was none.
    private var drills: Section? {
        guard !status.drills.isEmpty else { return nil }
        let rows = status.drills.map { drill -> HTML in
            let problem = drill.problem.map {
                "<p class=\"problem\">\(HTML.withCommands($0))</p>" as HTML
            }
            func images(_ count: Int64) -> HTML {
                drill.last == nil ? "–" : "\(Figures.grouped(count))"
            }
            let name = drill.spoken
            return """
                <tr>
                <th scope="row"><b>\(name.prefix(1).uppercased() + name.dropFirst())</b>
                \(problem)</th>
                <td data-label="Last drill"><div>\(Self.result(of: drill))</div></td>
                <td data-label="Listed" class="number">\(images(drill.listed))</td>
                <td data-label="Hash seen" class="number">\
                \(drill.hashSeen > 0 ? images(drill.hashSeen) : "–")</td>
                <td data-label="Restored" class="number">\(images(drill.restored))</td>
                <td data-label="Decoded" class="number">\(images(drill.decoded))</td>
                <td data-label="All of it would take">\
                \(drill.fullRestoreS.map { Figures.duration($0) } ?? "–")</td>
                </tr>
                """
        }
        return Section(
            id: "drills", title: "Can it be restored? (drills)", isWide: true,
            content: """
                <p>Images are restored from each place alone, as if nothing else were left, and
                compared with the archive.</p>
                <table>
                <thead><tr><th scope="col">From</th><th scope="col">Last drill</th>
                <th scope="col" class="number">Listed</th>
                <th scope="col" class="number">Hash seen</th>
                <th scope="col" class="number">Restored</th>
                <th scope="col" class="number">Decoded</th>
                <th scope="col">All of it would take</th></tr></thead>
                <tbody>
                \(rows)
                </tbody>
                </table>
                <p class="head">Listed: the place says that they are there. Hash seen: with the
                right checksum. Restored: brought back, and the same as in the archive. Decoded: the
                picture itself could be opened.</p>
                """)
    }

    private static func result(of drill: ArchiveStatus.Drill) -> HTML {
        let time = drill.last.map { "<small>on \(Self.time($0))</small>" as HTML }
        switch drill.result {
        case .failed:
            let things = Figures.count(drill.faults, "thing", "things")
            return "\(Mark.bad.word("failed: \(things)")) \(time)"
        case _ where drill.isOverdue: return "\(Mark.attention.word("overdue")) \(time)"
        case .passed: return "\(Mark.good.word("passed")) \(time)"
        case nil: return "not yet"
        }
    }

    // MARK: Intake

    private var intake: Section {
        let last: HTML =
            status.intake.last.map { "Last image archived at \(Self.time($0))" }
            ?? "No image was archived yet"
        let none =
            status.intake.days.isEmpty && status.intake.last != nil
            ? "Nothing was archived in the last 30 days. " : ""
        let waiting = Int64(status.incoming.pending)
        let files =
            waiting == 0
            ? "" : " \(Figures.count(waiting, "file waits", "files wait")) in incoming."
        // A telephone is too narrow for all days.
        let sizes = status.intake.days.isEmpty ? [] : [(30, 720), (14, 360)]
        let charts = sizes.map { columns, width in
            IntakeChart(status.intake.days, until: status.time, columns: columns, width: width).html
        }
        return Section(
            id: "intake", title: "New images by day", isWide: true,
            content: """
                \(charts)
                <p>\(none)\(last).\(files)</p>
                \(status.intake.silent.map { "<p>\(Mark.attention.word($0))</p>" as HTML })
                """)
    }

    // MARK: Room

    private var room: Section {
        let space = status.freeSpace
        let forecast: HTML =
            if space.bytes == 0 {
                Mark.bad.word("none: new images are refused")
            } else if let days = space.daysLeft {
                days < 60
                    ? """
                    \(Mark.attention.word(Figures.time(ofDays: days)))
                    <small>add a disk: <code>pacsfs volume add DIR</code></small>
                    """ : Mark.good.word(Figures.time(ofDays: days))
            } else {
                "cannot be said yet"
            }
        let bars = status.volumes.filter { $0.total > 0 }.map { volume -> HTML in
            let used = max(0, volume.total - volume.free)
            let share = Double(used) / Double(volume.total)
            let free = Figures.bytes(volume.free)
            return Self.bar(
                "<span class=\"path\">\(volume.path)</span>",
                "\(free) of \(Figures.bytes(volume.total)) free", share: share, "used")
        }
        let facts: [(String, HTML)] = [
            ("Images that still fit, with all copies", "\(Figures.bytes(space.bytes))"),
            ("At the rate of the last 30 days", "\(Figures.bytes(space.bytesPerDay)) a day"),
            ("Room will last", forecast),
        ]
        return Section(
            id: "room", title: "Room",
            content: """
                \(Self.facts(facts))
                \(bars)
                """)
    }

    // MARK: Contents

    private var contents: Section {
        var facts: [(String, HTML)] = [
            ("Patients", "\(Figures.grouped(status.patients))"),
            ("Studies", "\(Figures.grouped(status.studies))"),
            (
                "Images",
                "\(Figures.grouped(status.instances)) <small>\(Figures.bytes(status.bytes))</small>"
            ),
            ("Files set aside in rejected", "\(Figures.grouped(status.rejected))"),
        ]
        facts.append(("Archive", "<span class=\"path\">\(status.archive)</span>"))
        facts.append(
            (
                "Mounted on",
                status.mountpoint.map { "<span class=\"path\">\($0)</span>" }
                    ?? Mark.attention.word("not mounted")
            ))
        return Section(
            id: "contents", title: "What is in it",
            content: """
                \(Self.facts(facts))
                <p class="head">Head of the catalogue, to write down or print. It proves later that
                nothing before it was changed:
                <code>pacsfs verify --head \(status.ledger.head):\(status.ledger.records)</code></p>
                """)
    }
}
