import Archive

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
        lines.append("Room       \(freeSpace(status.freeSpace))")
        lines += work(status)
        lines += status.copies.lostImages.map { "Lost       \($0)" }
        lines.append("Mounted    \(mount(status))")
        lines += incoming(status)
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
        var lines: [String] = []
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

    private static func freeSpace(_ space: ArchiveStatus.FreeSpace) -> String {
        guard space.bytes > 0 else { return "none: new images are refused" }
        let free = "\(Output.bytes(space.bytes)) of images"
        guard let days = space.daysLeft else { return free }
        return "\(free), for \(Figures.time(ofDays: days)) at the rate of the last 30 days"
    }
}
