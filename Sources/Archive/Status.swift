import Foundation
import Glibc
import Storage

/// The state of an archive, as `pacsfs status --json` prints it.
public struct ArchiveStatus: Codable, Sendable {
    public struct Copies: Codable, Sendable {
        /// How many copies of each image there shall be.
        public var wanted: Int
        /// How many images have fewer.
        public var short: Int64
    }

    public struct Volume: Codable, Sendable {
        public var id: String?
        public var path: String
        public var domain: String
        /// `online`, `read-only` or `absent`.
        public var state: String
        /// Why it is not online.
        public var problem: String?
        /// Images it holds.
        public var blobs: Int64
        /// Bytes that new files can take; its reserve is taken off.
        public var free: Int64
    }

    public struct Incoming: Codable, Sendable {
        /// Files that are neither archived nor set aside yet.
        public var pending: Int
    }

    public struct Ledger: Codable, Sendable {
        public var records: Int64
        /// SHA-256 of the last record: written down, it proves later that nothing before it
        /// was changed.
        public var head: String
    }

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
}

// Written out, so that what is not known is `null` and not left out: programs look for the keys.
extension ArchiveStatus {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
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
    }
}

extension ArchiveStatus.Volume {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(path, forKey: .path)
        try container.encode(domain, forKey: .domain)
        try container.encode(state, forKey: .state)
        try container.encode(problem, forKey: .problem)
        try container.encode(blobs, forKey: .blobs)
        try container.encode(free, forKey: .free)
    }
}

extension Archive {
    /// - parameters:
    ///   - pending: files that wait in `/incoming`; `nil` counts those on disk
    public func status(pending: Int?, readMode: String?, mountpoint: String?) throws(ArchiveError) -> ArchiveStatus {
        try ArchiveError.from {
            let totals = try index.read { try $0.totals() }
            let short = totals.byCopies.filter { $0.key < settings.copies }.values.reduce(0, +)
            let position = catalogue.position
            return ArchiveStatus(
                archive: path, instances: totals.instances, studies: totals.studies, patients: totals.patients,
                blobs: totals.instances, bytes: totals.bytes,
                copies: .init(wanted: settings.copies, short: short),
                volumes: try volumes.members.map { try status(of: $0) }, read_mode: readMode,
                mountpoint: mountpoint, incoming: .init(pending: try pending ?? pendingFiles()),
                rejected: totals.rejected,
                ledger: .init(records: position.number, head: position.head.hex))
        }
    }

    private func status(of member: VolumeSet.Member) throws -> ArchiveStatus.Volume {
        let space = try? member.volume?.space()
        let room = (try? member.volume?.room()) ?? 0
        return ArchiveStatus.Volume(
            id: member.volume?.identity.volume, path: member.place.path, domain: member.place.domain,
            state: Self.state(of: member, space), problem: member.problem,
            blobs: try index.read { try $0.blobs(on: member.ordinal) }, free: room)
    }

    private static func state(of member: VolumeSet.Member, _ space: Storage.Volume.Space?) -> String {
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
