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
        /// Images that it restored.
        public var restored: Int64
        /// How many things did not fit.
        public var faults: Int64
        /// Whether it should have been repeated before now.
        public var isOverdue: Bool
        let source: DrillSource?
        /// Since when there could have been one, ns since 1970.
        let since: Int64

        enum CodingKeys: String, CodingKey {
            case name = "source"
            case last, result, restored, faults
            case isOverdue = "overdue"
        }

        init(source: DrillSource, _ record: DrillRecord?, since: Int64) {
            (self.source, self.since) = (source, since)
            name = source.key
            last = record.map { Timestamp(nanoseconds: $0.time) }
            result = record.map { $0.faults == 0 ? .passed : .failed }
            (restored, faults) = (record?.restored ?? 0, record?.faults ?? 0)
            isOverdue = false
        }

        public init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            name = try values.decode(String.self, forKey: .name)
            last = try values.decode(Timestamp?.self, forKey: .last)
            result = try values.decode(DrillResult?.self, forKey: .result)
            restored = try values.decode(Int64.self, forKey: .restored)
            faults = try values.decode(Int64.self, forKey: .faults)
            isOverdue = try values.decode(Bool.self, forKey: .isOverdue)
            (source, since) = (nil, 0)
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
            Restoring from \(Self.spoken(drill.name)) was tried on \(drill.last?.date ?? "") and \
            failed: \(Figures.count(drill.faults, "thing", "things")) did not fit, see \
            \(archive)/drills. When that is mended, try again: \
            pacsfs drill \(Self.argument(drill.name))
            """
        }
        let overdue = here.filter { $0.isOverdue && $0.result != .failed }
        if !overdue.isEmpty {
            let names = overdue.map { Self.spoken($0.name) }.joined(separator: ", ")
            texts.append(
                """
                Whether images can be restored from \(names) has not been tried for too long. The \
                mounted archive does that by itself; to do it now: pacsfs drill \
                \(overdue.map { Self.argument($0.name) }.joined(separator: " "))
                """)
        }
        return texts
    }

    private static func spoken(_ source: String) -> String {
        source.hasPrefix("remote ") ? "the off-site copy \"\(argument(source))\"" : source
    }

    private static func argument(_ source: String) -> String {
        String(source.drop { $0 != " " }.dropFirst())
    }
}
