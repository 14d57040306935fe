/// The choice of the volumes for a new file; pure.
public enum Placement {
    /// A volume, as far as the choice depends on it.
    public struct Candidate: Hashable, Sendable {
        /// Its number in the archive.
        public var ordinal: Int
        /// Its failure domain.
        public var domain: String
        /// Bytes that new files can take, without the reserve; `nil` when it is absent.
        public var freeSpace: Int64?
        /// False when it is read-only or being emptied.
        public var takesFiles: Bool
        /// The disk it lies on: two copies on one disk are lost together. `nil` for one of its own.
        public var disk: Int?

        public init(
            ordinal: Int, domain: String, freeSpace: Int64?, takesFiles: Bool = true,
            disk: Int? = nil
        ) {
            self.disk = disk
            self.ordinal = ordinal
            self.domain = domain
            self.freeSpace = freeSpace
            self.takesFiles = takesFiles
        }
    }

    /// Chooses volumes for a file: on different disks, in different failure domains, then those
    /// with the most free space, then the lowest ordinal. With fewer domains than copies, several
    /// volumes of a domain are chosen; with fewer disks, several of a disk.
    ///
    /// - Parameters:
    ///   - copies: The number of copies there should be in all.
    ///   - bytes: The file's size.
    ///   - candidates: The archive's volumes.
    ///   - holding: Ordinals of volumes that have a good copy: they count towards `copies`, and
    ///     volumes are chosen for the missing copies only.
    /// - Returns: Ordinals, the volume with the most free space first.
    /// - Throws: `tooFewVolumes` when not enough volumes take files; `noSpace` when they do, but
    ///   are full.
    public static func choose(
        copies: Int, bytes: Int64, among candidates: [Candidate], holding: Set<Int> = []
    ) throws(StorageError) -> [Int] {
        let active = candidates.filter {
            $0.freeSpace != nil && $0.takesFiles && !holding.contains($0.ordinal)
        }
        let fitting = active.filter { ($0.freeSpace ?? 0) >= bytes }.sorted {
            ($1.freeSpace ?? 0, $0.ordinal) < ($0.freeSpace ?? 0, $1.ordinal)
        }
        let wanted = max(0, copies - holding.count)
        guard fitting.count >= wanted else {
            throw refusal(wanted, bytes, active: active.count, fitting: fitting.count, candidates)
        }
        let holders = candidates.filter { holding.contains($0.ordinal) }
        var domains = Set(holders.map(\.domain))
        var disks = Set(holders.compactMap(\.disk))
        var chosen: [Candidate] = []
        for rule in [Rule.apart, .otherDisk, .otherDomain, .any] {
            for candidate in fitting where chosen.count < wanted && !chosen.contains(candidate) {
                let isNewDisk = candidate.disk.map { !disks.contains($0) } ?? true
                let fits =
                    switch rule {
                    case .apart: isNewDisk && !domains.contains(candidate.domain)
                    case .otherDisk: isNewDisk
                    case .otherDomain: !domains.contains(candidate.domain)
                    case .any: true
                    }
                guard fits else { continue }
                chosen.append(candidate)
                domains.insert(candidate.domain)
                if let disk = candidate.disk { disks.insert(disk) }
            }
        }
        return chosen.map(\.ordinal)
    }

    /// What a volume must be like to be chosen, the strictest first.
    private enum Rule { case apart, otherDisk, otherDomain, any }

    private static func refusal(
        _ wanted: Int, _ bytes: Int64, active: Int, fitting: Int, _ candidates: [Candidate]
    ) -> StorageError {
        let absent = candidates.filter { $0.freeSpace == nil }.map { String($0.ordinal) }
        let path = "volumes " + candidates.map { String($0.ordinal) }.joined(separator: ", ")
        if active < wanted {
            return StorageError(
                .tooFewVolumes,
                """
                \(wanted) copies are to be made, and only \(active) of \(candidates.count) volumes \
                \(active == 1 ? "takes" : "take") files
                """,
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
