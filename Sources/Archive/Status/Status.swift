import Foundation
import Glibc
import Storage
import TagIndex

/// The state of an archive, as `pacsfs status --json` prints it.
public struct ArchiveStatus: Codable, Sendable {
    public struct Copies: Codable, Sendable {
        /// How many copies of each image there shall be.
        public var wanted: Int
        /// How many there must be before a file counts as safe.
        public var minimum: Int
        /// How many images have fewer than are wanted.
        public var short: Int64
        /// How many of them have one only.
        public var single: Int64
        /// How many images have no good copy on any volume.
        public var lost: Int64
        /// SHA-256 of up to a hundred of those.
        public var lost_images: [String]
        /// How many images have copies, but none on a volume that is here.
        public var elsewhere: Int64 = 0
    }

    public struct Volume: Codable, Sendable {
        /// Its number in the archive, from 1; `nil` while it is not known.
        public var number: Int?
        public var id: String?
        public var path: String
        public var domain: String
        /// `online`, `read-only`, `absent`, `failing` or `retiring`.
        public var state: String
        /// Why it is not online.
        public var problem: String?
        /// Images it holds.
        public var blobs: Int64
        /// Bytes that new files can take; its reserve is taken off.
        public var free: Int64
        /// The size of its disk in bytes; 0 when it is absent.
        public var total: Int64
        /// Bad copies that were found since it was last read whole without any.
        public var errors: Int64
        /// Since when every copy on it has been read, ns since 1970; `nil` when not all have been.
        public var scrubbed: Int64?
        /// Whether the ledger has it and `pacsfs.toml` has not.
        var isUnlisted = false

        enum CodingKeys: String, CodingKey {
            case number, id, path, domain, state, problem, blobs, free, total, errors, scrubbed
        }
    }

    /// For how long the room will last.
    public struct Room: Codable, Sendable {
        /// Bytes of images that can still be archived, with as many copies as are wanted.
        public var free: Int64
        /// Bytes that were archived a day, over the last 30 days; 0 when there were none.
        public var daily: Int64
        /// Days that it will last; `nil` when nothing was archived, and in the first week.
        public var days: Int64?
    }

    public struct Incoming: Codable, Sendable {
        /// Files that are neither archived nor set aside yet.
        public var pending: Int
        /// Zip archives that are being unpacked, and those that wait for that.
        public var unpacking: [Zip] = []

        public struct Zip: Codable, Sendable {
            /// Where it comes from.
            public var path: String
            /// How many of its files have been dealt with; 0 while it waits.
            public var done: Int
            /// How many files it has; `nil` while it waits.
            public var files: Int?

            init(_ unpacking: Unpacking) {
                let progress = unpacking.progress
                (path, done, files) = (unpacking.source, progress?.done ?? 0, progress?.files)
            }
        }
    }

    public struct Ledger: Codable, Sendable {
        public var records: Int64
        /// SHA-256 of the last record: written down, it proves later that nothing before it
        /// was changed.
        public var head: String
        /// The numbers of volumes on which new records are written.
        public var volumes: [Int]
    }

    /// The answer to «are we safe?».
    public var health: Health
    public var archive: String
    public var instances: Int64
    public var studies: Int64
    public var patients: Int64
    public var blobs: Int64
    public var bytes: Int64
    public var copies: Copies
    public var volumes: [Volume]
    /// `passthrough` or `cached` while mounted.
    public var read_mode: String?
    public var mountpoint: String?
    public var incoming: Incoming
    public var rejected: Int64
    public var ledger: Ledger
    public var room: Room
    public var resilver: ResilverProgress
    /// When and why the index was last made anew; `nil` when it never was.
    public var index_rebuilt: IndexRebuilt?
    /// What a look-up met in the index that cannot be; `nil` when none did. The next mount makes
    /// the index anew.
    public var index_damage: String?
    /// The views, and how far those are that are being made.
    public var views: [ViewStatus] = []
    /// Why `pacsfs.toml` was not taken into use when it was read again; `nil` when it was.
    public var configuration_problem: String?
    /// Why views cannot be made; `nil` when they can.
    public var views_problem: String?
}

// Written out, so that what is not known is `null` and not left out: programs look for the keys.
extension ArchiveStatus {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(health, forKey: .health)
        try container.encode(archive, forKey: .archive)
        try container.encode(instances, forKey: .instances)
        try container.encode(studies, forKey: .studies)
        try container.encode(patients, forKey: .patients)
        try container.encode(blobs, forKey: .blobs)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(copies, forKey: .copies)
        try container.encode(volumes, forKey: .volumes)
        try container.encode(read_mode, forKey: .read_mode)
        try container.encode(mountpoint, forKey: .mountpoint)
        try container.encode(incoming, forKey: .incoming)
        try container.encode(rejected, forKey: .rejected)
        try container.encode(ledger, forKey: .ledger)
        try container.encode(room, forKey: .room)
        try container.encode(resilver, forKey: .resilver)
        try container.encode(index_rebuilt, forKey: .index_rebuilt)
        try container.encode(index_damage, forKey: .index_damage)
        try container.encode(views, forKey: .views)
        try container.encode(configuration_problem, forKey: .configuration_problem)
        try container.encode(views_problem, forKey: .views_problem)
    }
}

extension ArchiveStatus.Incoming.Zip {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(path, forKey: .path)
        try container.encode(done, forKey: .done)
        try container.encode(files, forKey: .files)
    }
}

extension ArchiveStatus.Volume {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(number, forKey: .number)
        try container.encode(id, forKey: .id)
        try container.encode(path, forKey: .path)
        try container.encode(domain, forKey: .domain)
        try container.encode(state, forKey: .state)
        try container.encode(problem, forKey: .problem)
        try container.encode(blobs, forKey: .blobs)
        try container.encode(free, forKey: .free)
        try container.encode(total, forKey: .total)
        try container.encode(errors, forKey: .errors)
        try container.encode(scrubbed, forKey: .scrubbed)
    }
}

extension Archive {
    /// - parameters:
    ///   - pending: files that wait in `/incoming`; `nil` counts those on disk
    public func status(pending: Int?, readMode: String?, mountpoint: String?) throws(ArchiveError)
        -> ArchiveStatus
    {
        try ArchiveError.from {
            volumes.check()
            let totals = try index.read { try $0.totals() }
            let known = try index.read { try $0.volumes() }
            let position = catalogue.position
            var result = ArchiveStatus(
                health: Health(level: .safe, headline: "", reasons: []), archive: path,
                instances: totals.instances,
                studies: totals.studies, patients: totals.patients, blobs: totals.instances,
                bytes: totals.bytes,
                copies: try copies(totals),
                volumes: try volumes.members.map { try status(of: $0, known) }, read_mode: readMode,
                mountpoint: mountpoint,
                incoming: .init(
                    pending: try pending ?? pendingFiles(), unpacking: zips.all.map { .init($0) }),
                rejected: totals.rejected,
                ledger: .init(
                    records: position.number, head: position.head.hex,
                    volumes: catalogue.ledger.volumes.sorted()),
                room: try forecast(), resilver: resilver.progress, index_rebuilt: indexRebuilt,
                index_damage: TagIndex.damage(of: path + "/" + Self.indexName),
                views: try index.read { try ViewStatus.list($0, wanted: wantedViews) },
                configuration_problem: configurationProblem.withLock { $0 },
                views_problem: views.problem)
            result.volumes += Self.unlisted(known, volumes.members)
            result.health = Health(of: result)
            return result
        }
    }

    /// Volumes that hold images, but that pacsfs.toml does not name.
    private static func unlisted(
        _ known: [VolumeRecord], _ members: [VolumeSet.Member]
    ) -> [ArchiveStatus.Volume] {
        known.filter { record in
            record.state != .retired && !members.contains { $0.ordinal == record.ordinal }
        }.map {
            ArchiveStatus.Volume(
                number: $0.ordinal, id: $0.id, path: $0.domain, domain: $0.domain, state: "absent",
                problem:
                    "The ledger has volume \($0.ordinal), and pacsfs.toml does not name its path. Add it there as a [[volume]], or put another in its place: pacsfs volume replace \($0.ordinal) NEW-DIR",
                blobs: 0, free: 0, total: 0, errors: $0.errors, scrubbed: nil, isUnlisted: true)
        }
    }

    private func copies(_ totals: Totals) throws -> ArchiveStatus.Copies {
        let wanted = settings.copies
        let lost = try index.read { reader in
            try reader.short(of: 1, limit: 100).compactMap { try reader.copies(of: $0.id) }
        }
        return ArchiveStatus.Copies(
            wanted: wanted, minimum: settings.minimumCopies,
            short: totals.instances(withFewerThan: wanted),
            single: wanted > 1 ? totals.byCopies[1] ?? 0 : 0, lost: totals.byCopies[0] ?? 0,
            lost_images: lost.compactMap { Digest(bytes: $0.sha256)?.hex },
            elsewhere: try elsewhere())
    }

    /// Asks all images, and therefore only while as many volumes are away as an image may have
    /// copies.
    private func elsewhere() throws -> Int64 {
        let here = volumes.online.map(\.identity.ordinal)
        let away = try index.read { try $0.volumes() }.filter {
            $0.state != .retired && !here.contains($0.ordinal)
        }
        let fewest = try index.read { try $0.totals() }.byCopies.keys.filter { $0 > 0 }.min() ?? 1
        return away.count < fewest ? 0 : try index.read { try $0.elsewhere(than: here) }
    }

    /// Over the last 30 days, or since the archive was begun. In the first week the images of many
    /// years are taken in, which says nothing about the time to come.
    private func forecast() throws -> ArchiveStatus.Room {
        let free = try room().free
        let day: Int64 = 86_400_000_000_000
        let now = Timestamp.now().nanoseconds
        let (created, added) = try index.read {
            (try $0.created(), try $0.added(since: now - 30 * day))
        }
        let age = (now - created) / day
        let daily = added.bytes / max(1, min(30, age))
        return .init(free: free, daily: daily, days: daily > 0 && age >= 7 ? free / daily : nil)
    }

    private func status(of member: VolumeSet.Member, _ known: [VolumeRecord]) throws
        -> ArchiveStatus.Volume
    {
        let space = try? member.volume?.space()
        let scrubs = try index.read { try $0.scrubs(of: member.ordinal) }
        return ArchiveStatus.Volume(
            number: member.ordinal > 0 ? member.ordinal : nil,
            id: member.volume?.identity.volume ?? member.id,
            path: member.place.path, domain: member.place.domain,
            state: Self.state(of: member, space),
            problem: member.problem, blobs: try index.read { try $0.blobs(on: member.ordinal) },
            free: space.flatMap { member.volume?.room(in: $0) } ?? 0, total: space?.total ?? 0,
            errors: known.first { $0.ordinal == member.ordinal }?.errors ?? 0,
            scrubbed: scrubs.count == 256 ? scrubs.values.map(\.time).min() : nil)
    }

    private static func state(of member: VolumeSet.Member, _ space: Storage.Volume.Space?) -> String
    {
        guard let space else { return "absent" }
        if space.isReadOnly || member.isReadOnly { return "read-only" }
        switch member.state {
        case .failing: return "failing"
        case .retiring: return "retiring"
        case .active, .retired: return "online"
        }
    }

    private func pendingFiles() throws -> Int {
        func count(in directory: Int32) throws -> Int {
            var total = 0
            try FolderWalk.entries(of: directory) { name, status in
                guard status.st_mode & S_IFMT == S_IFDIR else { return total += 1 }
                try FolderWalk.inside(name, of: directory) { total += try count(in: $0) }
            }
            return total
        }
        return try count(in: staging.incomingDescriptor)
    }
}
