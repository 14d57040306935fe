import Foundation
import Logging
import Naming
import Storage
import TagIndex

/// What came of bringing an archive back from volumes that survived.
public struct RevivalSummary: Codable, Sendable {
    public struct Volume: Codable, Sendable {
        /// Its number in the archive.
        public var ordinal: Int
        public var path: String
        /// `online` or `absent`.
        public var state: VolumeCondition
        /// Whether it was made just now.
        public var isNew: Bool

        enum CodingKeys: String, CodingKey {
            case ordinal, path, state
            case isNew = "is_new"
        }
    }

    public var archive: String
    public var volumes: [Volume]
    public var images: Int64
    /// Images that have no copy on a volume that is here.
    public var offlineOnly: Int64
    /// Paths of some of those, in the first view.
    public var examples: [String]
    /// Where all of them are listed, with their SHA-256; `nil` when nothing lacks.
    public var list: String?
    /// No volume has a ledger that can be used: there is no index yet.
    public var needsRebuildFromBlobs: Bool
    /// Why new images will not be stored as often as is wanted; `nil` when they will.
    public var copiesProblem: String?

    enum CodingKeys: String, CodingKey {
        case archive, volumes, images, examples, list
        case offlineOnly = "offline_only"
        case needsRebuildFromBlobs = "needs_rebuild_from_blobs"
        case copiesProblem = "copies_problem"
    }
}

extension Archive {
    private static let lackingName = "lacking.txt"

    /// Makes an archive's directory anew, from volumes of it that survived.
    ///
    /// - parameters:
    ///   - path: a directory that is not there, or is empty
    ///   - survivor: a volume of the archive
    ///     Volumes that are still where the ledger has them are taken up too.
    ///   - others: further volumes of the same archive, or empty directories that become new
    ///     ones; absolute
    ///   - copies: on how many volumes each image is kept
    /// - throws: ``ArchiveError`` when a directory is taken, or belongs to another archive; then
    ///   nothing was made
    public static func create(
        at path: String, from survivor: String, others: [String], copies: Int, log: Logger,
        progress: @escaping @Sendable (RebuildProgress) -> Void
    ) throws(ArchiveError) -> RevivalSummary {
        try ArchiveError.from {
            let first = try Volume.open(at: survivor, archive: nil)
            let id = first.identity.archive
            var here = [first]
            var new: [String] = []
            for other in others {
                if let volume = try volume(at: other, of: id) {
                    here.append(volume)
                } else {
                    new.append(other)
                }
            }
            for (index, volume) in here.enumerated() {
                if let twin = here[..<index].first(where: {
                    $0.identity.ordinal == volume.identity.ordinal
                }) {
                    throw ArchiveError(
                        .configuration,
                        "\(volume.path) is a copy of the volume \(twin.path), not another one. Name one of them only."
                    )
                }
            }
            try requireApart([path] + here.map(\.path) + new)
            try requireFree(path)

            let told = LedgerTelling.best(of: here, site: Ledger.site(archive: id), log)
            if let told { for volume in here { try requireMember(volume, of: told) } }
            var settings = Settings()
            settings.copies = copies
            if let views = told?.views { settings.views = views }
            var members = here.map {
                (
                    $0.identity.ordinal,
                    Settings.VolumePlace(path: $0.path, domain: $0.identity.domain),
                    VolumeCondition.online
                )
            }
            for record in told?.volumes ?? []
            where !members.contains(where: { $0.0 == record.ordinal }) {
                let place = place(ofAbsent: record, taken: members.map(\.1.path) + new + [path])
                let found = try? Volume.open(at: place.path, archive: id)
                let isHere = found?.identity.volume == record.id
                if isHere, let found { here.append(found) }
                members.append((record.ordinal, place, isHere ? .online : .absent))
            }
            for volume in here {
                // Somebody who works with it would be disturbed by a second directory.
                try volume.claim()
                volume.release()
            }
            members.sort { $0.0 < $1.0 }
            settings.volumes = members.map(\.1)
            try write(
                settings,
                Identity(
                    archive: id, volumes: members.map { .init(ordinal: $0.0, path: $0.1.path) }),
                at: path)

            var summary = RevivalSummary(
                archive: path,
                volumes: members.map {
                    .init(ordinal: $0.0, path: $0.1.path, state: $0.2, isNew: false)
                },
                images: 0, offlineOnly: 0, examples: [], list: nil,
                needsRebuildFromBlobs: told == nil)
            if told == nil { return summary }
            _ = try rebuild(at: path, log: log, progress: progress)
            let archive = try Archive(at: path, log: log)
            defer { archive.close() }
            for place in new {
                let change = try archive.addVolume(at: place, domain: nil)
                summary.volumes.append(
                    .init(ordinal: change.ordinal, path: place, state: .online, isNew: true))
            }
            summary.copiesProblem = archive.copiesProblem
            try archive.listLacking(on: here.map(\.identity.ordinal), in: &summary)
            return summary
        }
    }

    /// - throws: ``ArchiveError`` when the volume is no part of its archive any more
    private static func requireMember(_ volume: Volume, of told: LedgerTelling) throws(ArchiveError)
    {
        guard let since = told.gone[volume.identity.ordinal] else { return }
        throw ArchiveError(
            .configuration,
            "\(volume.path) was volume \(volume.identity.ordinal), and was retired or replaced on \(since.description.prefix(10)): it is no part of the archive any more, and lacks what came since. Name another volume. If no other is left, make a new archive (pacsfs init with --volume), mount it and take over what lies here: pacsfs import \(volume.path)/blobs"
        )
    }

    /// A volume of the archive; `nil` when a new one can be made there.
    private static func volume(at path: String, of archive: String) throws(StorageError) -> Volume?
    {
        do {
            return try Volume.open(at: path, archive: archive)
        } catch {
            guard error.code == .notFound || error.code == .notAVolume else { throw error }
        }
        try Volume.requireUnused(at: path)
        return nil
    }

    /// Its domain is where it was, unless somebody named it.
    private static func place(ofAbsent record: VolumeRecord, taken: [String])
        -> Settings.VolumePlace
    {
        let isUsable =
            record.domain.hasPrefix("/") && !taken.contains { lieInOneAnother($0, record.domain) }
        return Settings.VolumePlace(
            path: isUsable ? record.domain : "/absent/pacsfs-volume-\(record.ordinal)",
            domain: record.domain)
    }

    private func listLacking(on volumes: [Int], in summary: inout RevivalSummary) throws {
        let file = path + "/" + Self.lackingName
        (summary.images, summary.offlineOnly) = try index.read {
            (try $0.totals().instances, try $0.offlineOnly(present: volumes))
        }
        guard summary.offlineOnly > 0 else { return }
        try Data().write(to: URL(filePath: file))
        let output = try FileHandle(forWritingTo: URL(filePath: file))
        defer { try? output.close() }
        summary.list = file
        summary.examples = try index.read { reader in
            var examples: [String] = []
            try reader.instances(missingOn: volumes) { id in
                guard let image = try reader.details(id) else { return true }
                let shown = image.paths.first?.joined(separator: "/") ?? ""
                try output.write(
                    contentsOf: Data("\(Digest(bytes: image.sha256)?.hex ?? "")  \(shown)\n".utf8))
                if examples.count < 20 { examples.append(shown) }
                return true
            }
            return examples
        }
    }
}

/// What a ledger tells of the archive as a whole.
private struct LedgerTelling {
    var views: [View]?
    /// Those that are no part of the archive any more are left out.
    var volumes: [VolumeRecord] = []
    /// Those, by their numbers, and when they left.
    var gone: [Int: Timestamp] = [:]
    var records: Int64 = 0

    /// From the volume that has most of the ledger; `nil` when none has one that can be used.
    static func best(of volumes: [Volume], site: String, _ log: Logger) -> LedgerTelling? {
        volumes.compactMap { volume -> LedgerTelling? in
            do { return try LedgerTelling(of: volume, site: site) } catch {
                log.error("The ledger of \(volume.path) cannot be used: \(error)")
                return nil
            }
        }.filter { $0.records > 0 }.max { $0.records < $1.records }
    }

    private init(of volume: Volume, site: String) throws {
        var reader = try LedgerChain(volume: volume, site: site)
        while let record = try reader.next() {
            records = record.number
            let body = record.entry.body
            switch (record.entry.kind, body["op"]?.string) {
            case ("views", _): views = View.list(body) ?? views
            case ("volume", "add"):
                guard let ordinal = body["volume"]?.int, let id = body["id"]?.string,
                    let domain = body["domain"]?.string
                else { continue }
                volumes.removeAll { $0.ordinal == Int(ordinal) }
                volumes.append(VolumeRecord(ordinal: Int(ordinal), id: id, domain: domain))
            case ("volume", "retired"), ("volume", "replace"):
                guard let ordinal = body["volume"]?.int.map(Int.init) else { continue }
                volumes.removeAll { $0.ordinal == ordinal }
                gone[ordinal] = record.entry.time
            default: break
            }
        }
    }
}
