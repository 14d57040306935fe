import Storage
import TagIndex

extension ArchiveStatus {
    /// The last drill of a volume or a remote.
    public struct Drill: Codable, Sendable {
        /// `volume 2`, `remote b2`.
        public var name: String
        /// When it ended; `nil` when there was none.
        @Nullable public var last: Timestamp?
        @Nullable public var result: DrillResult?
        /// Images that should have been there.
        public var images: Int64
        /// Of these, those that a listing showed.
        public var listed: Int64
        /// Those whose hash was the right one, as the server said it.
        public var hashSeen: Int64
        /// Those that were restored, and compared.
        public var restored: Int64
        /// Those of them whose pixels were decoded.
        public var decoded: Int64
        /// How many things did not fit.
        public var faults: Int64
        /// The first of these, and what to do; `nil` when nobody knows.
        @Nullable public var problem: String?
        /// Seconds that restoring everything would take; `nil` when nobody can tell.
        @Nullable public var fullRestoreS: Int64?
        /// Whether it should have been repeated before now.
        public var isOverdue = false
        /// Of a disk that is taken home: where it was last.
        @Nullable public var place: String?
        var source: DrillSource?
        /// Since when there could have been one, ns since 1970.
        var since: Int64 = 0

        enum CodingKeys: String, CodingKey {
            case name = "source"
            case last, result, images, listed, hashSeen, restored, decoded, faults, problem
            case fullRestoreS, place
            case isOverdue = "overdue"
        }

        init(source: DrillSource, _ record: DrillRecord?, _ known: DrillNote?, since: Int64) {
            (self.source, self.since) = (source, since)
            name = source.key
            last = record.map { Timestamp(nanoseconds: $0.time) }
            result = record.map { $0.faults == 0 ? .passed : .failed }
            images = record?.images ?? 0
            (listed, hashSeen) = (record?.listed ?? 0, record?.seen ?? 0)
            (restored, decoded) = (record?.restored ?? 0, record?.decoded ?? 0)
            faults = record?.faults ?? 0
            (problem, fullRestoreS) = (known?.problem, known?.fullRestoreS)
        }
    }
}

extension ArchiveStatus {
    /// What a manager has to know of drills, with what to do.
    var drillFindings: [String] {
        // A volume that is away is a finding by itself.
        let away = Set(volumes.filter { $0.state == .absent }.compactMap(\.ordinal))
        let here = drills.filter { drill in
            !away.contains { drill.name == "volume \($0)" }
        }
        var texts = drills.filter { $0.result == .failed }.map { drill in
            """
            Restoring from \(drill.spoken) was tried on \(drill.last?.date ?? "") and failed: \
            \(Figures.count(drill.faults, "thing", "things")) did not fit. \
            \(drill.firstStep); then try again: pacsfs drill \(drill.argument). All of it is in \
            the newest report in \(archive)/drills.
            """
        }
        let overdue = here.filter { $0.isOverdue && $0.result != .failed }
        if !overdue.isEmpty {
            let names = overdue.map { $0.spoken }.joined(separator: ", ")
            texts.append(
                """
                Whether images can be restored from \(names) has not been tried for too long. The \
                mounted archive does that by itself; to do it now: pacsfs drill \
                \(overdue.map { $0.argument }.joined(separator: " "))
                """)
        }
        return texts
    }

}

extension ArchiveStatus.Drill {
    /// `volume 2`, `the off-site copy "b2"`, `the disk of /media/usb/pacsfs`.
    public var spoken: String {
        if let place { return "the disk of \(place)" }
        return name.hasPrefix("remote ") ? "the off-site copy \"\(argument)\"" : name
    }

    /// What is wrong, and what to do first; a command may be its end.
    fileprivate var firstStep: String {
        guard let problem else { return "Read the report" }
        return problem.hasSuffix(".") ? String(problem.dropLast()) : problem
    }

    /// How a command names it.
    var argument: String { String(name.drop { $0 != " " }.dropFirst()) }
}
