/// Where a new file goes: a pure choice among volumes.
public enum Placement {
    /// Whether a volume takes new files.
    public enum State: Hashable, Sendable {
        /// It does.
        case active
        /// It is being emptied, or is read-only: it gives, but takes none.
        case closed
        /// It is not there.
        case absent
    }

    /// The facts about a volume that the choice needs.
    public struct Candidate: Hashable, Sendable {
        /// The volume's number in the archive; the choice names volumes by it.
        public var ordinal: Int
        /// Its failure domain.
        public var domain: String
        /// Bytes that new files can take, the reserve taken off.
        public var room: Int64
        public var state: State

        public init(ordinal: Int, domain: String, room: Int64, state: State) {
            self.ordinal = ordinal
            self.domain = domain
            self.room = room
            self.state = state
        }
    }

    /// The volumes that were chosen.
    public struct Choice: Hashable, Sendable {
        /// Their ordinals, the one with most room first.
        public var volumes: [Int]
        /// Two copies share a failure domain, because there are too few domains.
        public var sharesDomain: Bool
    }

    /// Chooses volumes for a file: in different failure domains, then those with most free space,
    /// then the lowest ordinal. If there are fewer domains than copies, the volumes are still
    /// different, and the choice says so.
    ///
    /// - Parameters:
    ///   - copies: The number of copies there should be in all.
    ///   - bytes: The file's size.
    ///   - candidates: The archive's volumes.
    ///   - holding: Ordinals of volumes that have a good copy. They count towards `copies`; only
    ///     the missing copies are placed.
    /// - Throws: `tooFewVolumes` when not enough volumes accept files; `noSpace` when they would
    ///   but have no free space.
    public static func choose(
        copies: Int, bytes: Int64, among candidates: [Candidate], holding: Set<Int> = []
    ) throws(StorageError) -> Choice {
        let active = candidates.filter { $0.state == .active && !holding.contains($0.ordinal) }
        let fitting = active.filter { $0.room >= bytes }.sorted {
            ($1.room, $0.ordinal) < ($0.room, $1.ordinal)
        }
        let wanted = max(0, copies - holding.count)
        guard fitting.count >= wanted else {
            throw refusal(wanted, bytes, active: active.count, fitting: fitting.count, candidates)
        }
        var domains = Set(candidates.filter { holding.contains($0.ordinal) }.map(\.domain))
        var sharesDomain = domains.count < holding.count
        var chosen: [Candidate] = []
        for candidate in fitting where chosen.count < wanted {
            if domains.insert(candidate.domain).inserted { chosen.append(candidate) }
        }
        for candidate in fitting where chosen.count < wanted && !chosen.contains(candidate) {
            chosen.append(candidate)
            sharesDomain = true
        }
        return Choice(volumes: chosen.map(\.ordinal), sharesDomain: sharesDomain)
    }

    private static func refusal(
        _ wanted: Int, _ bytes: Int64, active: Int, fitting: Int, _ candidates: [Candidate]
    ) -> StorageError {
        let absent = candidates.filter { $0.state == .absent }.map { String($0.ordinal) }
        let path = "volumes " + candidates.map { String($0.ordinal) }.joined(separator: ", ")
        if active < wanted {
            return StorageError(
                .tooFewVolumes,
                "\(wanted) copies are to be made, and only \(active) of \(candidates.count) volumes \(active == 1 ? "takes" : "take") files",
                path: path,
                remedy: absent.isEmpty
                    ? "Add a volume, or lower copies in pacsfs.toml"
                    : "Plug in and mount volume \(absent.joined(separator: ", ")), or add one")
        }
        return StorageError(
            .noSpace, "\(wanted) copies of \(bytes) bytes are to be made, \(fitting) fit",
            path: path, remedy: "Add a volume; pacsfs deletes nothing to make room")
    }
}
