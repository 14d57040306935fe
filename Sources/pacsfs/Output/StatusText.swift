import Archive
import Storage

/// The status of an archive, for people.
enum StatusText {
    static func lines(_ status: ArchiveStatus) -> [String] {
        var lines = [status.health.headline]
        // The first line has what matters most.
        lines += status.health.reasons.filter { !status.health.headline.contains($0) }
            .map { "           also: \($0)" }
        lines.append("")
        lines.append(
            """
            Archive    \(status.archive): \(Output.count(status.patients, "patient", "patients")), \
            \(Output.count(status.studies, "study", "studies")), \
            \(Output.count(status.instances, "image", "images")), \(Output.bytes(status.bytes))
            """
        )
        lines += status.volumes.flatMap(volume)
        lines += status.remotes.flatMap(remote)
        lines += status.removable.map(removable)
        lines += status.drills.flatMap(drill) + restore(status)
        lines.append("Room       \(freeSpace(status.freeSpace))")
        lines += work(status)
        // Those that are still to be restored are not lost.
        if status.restoring == nil {
            lines += status.copies.lostImages.map { "Lost       \($0)" }
        }
        lines.append("Mounted    \(mount(status))")
        lines += incoming(status) + alerts(status.alerts)
        lines.append(
            """
            Ledger     \(Output.count(status.ledger.records, "record", "records")), head \
            \(status.ledger.head):\(status.ledger.records)
            """
        )
        return lines
    }

    static func volume(_ volume: ArchiveStatus.Volume) -> [String] {
        let number = volume.ordinal.map(String.init) ?? "?"
        let gap = String(repeating: " ", count: max(1, 4 - number.count))
        var text =
            """
            Volume \(number)\(gap)\(volume.path): \(word(for: volume.state)), \
            \(Output.count(volume.blobs, "image", "images"))
            """
        if volume.state != .absent { text += ", room for \(Output.bytes(volume.free))" }
        if let disk = volume.disk { text += ", on \(disk)" }
        if volume.domain != volume.path { text += ", in \(volume.domain)" }
        if volume.errors > 0 {
            text +=
                ", \(Output.count(volume.errors, "bad copy was found", "bad copies were found"))"
        }
        if let time = volume.scrubbed {
            text += ", all read since \(Output.time(time.nanoseconds).prefix(10))"
        }
        return [text] + (volume.problem.map { ["           \($0)"] } ?? [])
    }

    static func remote(_ remote: ArchiveStatus.Remote) -> [String] {
        var text = "Off-site   \(remote.name): \(Output.count(remote.images, "image", "images"))"
        if remote.isEncrypted { text += ", encrypted" }
        if remote.imagesWaiting > 0 {
            text +=
                """
                ; \(Output.count(remote.imagesWaiting, "waits", "wait")), \
                \(Output.bytes(remote.bytesWaiting))
                """
            if let age = remote.oldestWaiting {
                text += ", the oldest for \(Output.duration(Double(age)))"
            }
        }
        if let left = remote.timeLeft { text += "; \(Output.duration(Double(left))) left" }
        var lines = [text + (remote.state == .waiting ? "" : "; \(remote.state.rawValue)")]
        if let reason = remote.reason { lines.append("           \(reason)") }
        var facts: [String] = []
        if let time = remote.lastCheck { facts.append("checked \(day(time))") }
        if remote.faults > 0 {
            facts.append(Output.count(remote.faults, "object is not as it was", "objects are not"))
        }
        if let time = remote.oldestProof { facts.append("everything read since \(day(time))") }
        if remote.hash == nil { facts.append("size only: its server keeps no hashes") }
        if let test = remote.wipeTest {
            switch test.result {
            case .wipeProof: facts.append("wipe-proof, tested on \(day(test.at))")
            case .hidden:
                facts.append("what is deleted can be had again, tested on \(day(test.at))")
            case .destroyable: facts.append("these keys can delete everything")
            }
        }
        if !facts.isEmpty { lines.append("           \(facts.joined(separator: "; "))") }
        return lines
    }

    private static func drill(_ drill: ArchiveStatus.Drill) -> [String] {
        let late = drill.isOverdue ? ", OVERDUE" : ""
        guard let last = drill.last, let result = drill.result else {
            return ["Drill      \(drill.spoken): not yet\(late)"]
        }
        var facts = [
            "\(Output.count(drill.listed, "image", "images")) listed",
            "\(drill.restored) restored and compared", "\(drill.decoded) decoded",
        ]
        if drill.hashSeen > 0 { facts.insert("\(drill.hashSeen) with their hash", at: 1) }
        if let seconds = drill.fullRestoreS {
            facts.append("all of it would take \(Figures.duration(seconds))")
        }
        var text = "Drill      \(drill.spoken): \(result.rawValue) on \(day(last))\(late)"
        if drill.faults > 0 {
            let things = Output.count(drill.faults, "thing did not fit", "things did not fit")
            text += ", \(things)"
        }
        return [text, "           \(facts.joined(separator: ", "))"]
    }

    private static func restore(_ status: ArchiveStatus) -> [String] {
        guard let restore = status.restore else { return [] }
        let left = restore.timeLeftS.map { ", \(Figures.duration($0)) left" } ?? ""
        return [
            """
            Restore    \(restore.images) of \
            \(Output.count(restore.totalImages, "image", "images")), \
            \(Output.bytes(restore.bytes)) of \(Output.bytes(restore.totalBytes))\(left)
            """
        ]
    }

    private static func day(_ time: Timestamp) -> String {
        String(Output.time(time.nanoseconds).prefix(10))
    }

    private static func word(for state: VolumeCondition) -> String {
        state == .readOnly ? "read-only" : state.rawValue
    }

    /// What is being done or was done in the background.
    private static func work(_ status: ArchiveStatus) -> [String] {
        var lines: [String] = []
        let resilver = status.resilver
        if resilver.isRunning || resilver.copies > 0 {
            let copies = Output.count(resilver.copies, "copy", "copies")
            let rest = Output.count(status.copies.underReplicated, "image", "images")
            lines.append(
                """
                Resilver   \(resilver.isRunning ? "running: " : "")\(copies) made, \
                \(Output.bytes(resilver.bytes)); \(rest) to go
                """)
        }
        if let rebuilt = status.indexRebuilt {
            lines.append(
                """
                Index      made anew on \(Output.time(rebuilt.time.nanoseconds)): \
                \(rebuilt.reason)
                """
            )
        }
        for view in status.views where view.state == .making {
            let what =
                status.mountpoint == nil
                ? "\(view.name) is made when the archive is mounted" : "making \(view.name)"
            lines.append("View       \(what): \(view.series) of \(view.totalSeries) series")
        }
        return lines
    }

    private static func mount(_ status: ArchiveStatus) -> String {
        guard let mountpoint = status.mountpoint else { return "no" }
        let reading =
            switch status.readMode {
            case .passthrough: ", reading by the kernel (passthrough)"
            case .cached: ", reading through the daemon (cached)"
            case nil: ""
            }
        return mountpoint + reading
    }

    private static func incoming(_ status: ArchiveStatus) -> [String] {
        var lines = status.intake.silent.map { "Intake     \($0)" }
        if status.incoming.pending > 0 {
            lines.append(
                "Incoming   \(Output.count(status.incoming.pending, "file waits", "files wait"))")
        }
        for zip in status.incoming.unpacking.prefix(10) {
            let progress =
                zip.files.map { "\(zip.done) of \(Output.count($0, "file", "files"))" } ?? "waits"
            lines.append("Unpacking  \(zip.path): \(progress)")
        }
        if status.rejected > 0 {
            lines.append(
                """
                Rejected   \(Output.count(status.rejected, "file", "files")), each with its \
                reason, in rejected/
                """
            )
        }
        return lines
    }

    static func removable(_ volume: ArchiveStatus.Removable) -> String {
        let since = Output.count(volume.missing, "image", "images")
        let complete =
            volume.complete.map {
                "last complete on \(Output.time($0.nanoseconds)), \(since) since"
            } ?? "never complete"
        let state =
            switch volume.state {
            case .absent: "not here"
            case .catchingUp: "catching up, leave it plugged in"
            case .complete: "complete, may be removed"
            case .incomplete: "INCOMPLETE"
            }
        let bad =
            volume.bad > 0
            ? "; \(Output.count(volume.bad, "bad copy was", "bad copies were")) made anew" : ""
        let read = volume.read.map { "; all read since \(day($0))" } ?? ""
        return
            "Removable  \(volume.path) (\(volume.id.prefix(8))): \(state); \(complete)\(read)\(bad)"
    }

    private static func alerts(_ alerts: ArchiveStatus.Alerts) -> [String] {
        var lines: [String] = []
        if alerts.isConfigured {
            let last = alerts.last.map { "the last on \(Output.time($0.nanoseconds))" }
            lines.append("Alerts     by alert_command, \(last ?? "none so far")")
        }
        if let problem = alerts.pingProblem {
            lines.append("Ping       ping_url was not reached. \(problem)")
        } else if let time = alerts.pinged {
            lines.append("Ping       ping_url was reached on \(Output.time(time.nanoseconds))")
        }
        return lines
    }

    private static func freeSpace(_ space: ArchiveStatus.FreeSpace) -> String {
        guard space.bytes > 0 else { return "none: new images are refused" }
        let free = "\(Output.bytes(space.bytes)) of images"
        guard let days = space.daysLeft else { return free }
        return "\(free), for \(Figures.time(ofDays: days)) at the rate of the last 30 days"
    }
}
