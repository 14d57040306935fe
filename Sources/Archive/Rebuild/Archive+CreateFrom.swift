import Foundation
import Logging
import Storage
import TagIndex

/// The result of restoring an archive from volumes that survived.
public struct RestoreSummary: Codable, Sendable {
    public struct Volume: Codable, Sendable {
        /// Its number in the archive.
        public var ordinal: Int
        public var path: String
        /// `online` or `absent`.
        public var state: VolumeCondition
        /// Whether it was made just now.
        public var isNew: Bool
    }

    public var archive: String
    public var volumes: [Volume]
    public var images: Int64
    /// Images that have no copy on a volume that is here.
    public var offlineOnly: Int64
    /// Paths of some of these images, in the first view.
    public var examples: [String]
    /// The file that lists all of them with their SHA-256; `nil` when no image lacks a copy.
    @Nullable public var list: String?
    /// No volume has a usable ledger: there is no index yet.
    public var needsRebuildFromBlobs: Bool
    /// Why new images will get fewer copies than wanted; `nil` when they will not.
    @Nullable public var copiesProblem: String? = nil
}

extension Archive {
    private static let lackingName = "lacking.txt"

    /// Makes an archive's directory anew, from volumes of it that survived. Volumes that are still
    /// where the ledger has them are used too.
    ///
    /// - Parameters:
    ///   - path: A directory that is not there, or is empty.
    ///   - survivor: A volume of the archive.
    ///   - others: Absolute paths of further volumes of the archive, or of empty directories that
    ///     become new ones.
    ///   - copies: How many volumes keep each image.
    /// - Throws: ``ArchiveError`` when a directory is taken or belongs to another archive, or when
    ///   a newer pacsfs wrote a record; nothing was made then.
    public static func create(
        at path: String, from survivor: String, others: [String], copies: Int, log: Logger,
        progress: @escaping @Sendable (RebuildProgress) -> Void
    ) throws(ArchiveError) -> RestoreSummary {
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
                        """
                        \(volume.path) is a copy of the volume \(twin.path), not another one. \
                        Name one of them only.
                        """
                    )
                }
            }
            try requireApart([path] + here.map(\.path) + new)
            try requireFree(path)

            let ledger = try LedgerSummary.best(of: here, site: Ledger.site(archive: id), log)
            if let ledger { for volume in here { try requireMember(volume, of: ledger) } }
            var settings = Settings()
            settings.copies = copies
            settings.leastCopies = 1
            if let views = ledger?.views { settings.views = views }
            var members = here.map {
                (
                    $0.identity.ordinal,
                    Settings.VolumePlace(path: $0.path, domain: $0.identity.domain),
                    VolumeCondition.online
                )
            }
            for record in ledger?.volumes ?? []
            where !members.contains(where: { $0.0 == record.ordinal }) {
                let place = place(ofAbsent: record, taken: members.map(\.1.path) + new + [path])
                let found = try? Volume.open(at: place.path, archive: id)
                let isHere = found?.identity.volume == record.id
                if isHere, let found { here.append(found) }
                members.append((record.ordinal, place, isHere ? .online : .absent))
            }
            for volume in here {
                // A process that works with the volume must not get a second archive directory.
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

            var summary = RestoreSummary(
                archive: path,
                volumes: members.map {
                    .init(ordinal: $0.0, path: $0.1.path, state: $0.2, isNew: false)
                },
                images: 0, offlineOnly: 0, examples: [], list: nil,
                needsRebuildFromBlobs: ledger == nil)
            if ledger == nil { return summary }
            _ = try rebuild(at: path, log: log, progress: progress)
            let archive = try Archive(at: path, log: log)
            defer { archive.close() }
            for volume in here { try archive.adoptCopies(on: volume.identity.ordinal) }
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

    /// Records the copies on a volume of which the ledger knows nothing: a removable one got them.
    private func adoptCopies(on ordinal: Int) throws {
        guard let volume = volumes[ordinal] else { return }
        var last: Int64 = 0
        while true {
            let page = try index.read { try $0.images(after: last, limit: 1000) }
            guard let end = page.last else { return }
            let found = try page.compactMap { image -> Digest? in
                guard !image.volumes.contains(ordinal), let digest = Digest(bytes: image.sha256),
                    try volume.inodeFault(of: digest, bytes: image.bytes) == nil
                else { return nil }
                return digest
            }
            if !found.isEmpty { try core.catalogue.record([.copies(found, on: ordinal)]) }
            last = end.id
        }
    }

    /// - Throws: ``ArchiveError`` when the volume has left its archive.
    private static func requireMember(_ volume: Volume, of ledger: LedgerSummary)
        throws(ArchiveError)
    {
        guard let since = ledger.departed[volume.identity.ordinal] else { return }
        throw ArchiveError(
            .configuration,
            """
            \(volume.path) was volume \(volume.identity.ordinal), and was retired or replaced on \
            \(since.description.prefix(10)): it is no part of the archive any more, and lacks \
            what came since. Name another volume. If no other is left, make a new archive \
            (pacsfs init with --volume), mount it and take over what lies here: pacsfs import \
            \(volume.path)/blobs
            """
        )
    }

    /// A volume of the archive; `nil` when a new one can be made at the path.
    ///
    /// - Throws: `wrongArchive`, `notEmpty`, or what a system call says.
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

    /// Where an absent volume is expected: its domain is its path, unless a person named it.
    private static func place(ofAbsent record: VolumeRecord, taken: [String])
        -> Settings.VolumePlace
    {
        let isUsable =
            record.domain.hasPrefix("/") && !taken.contains { lieInOneAnother($0, record.domain) }
        return Settings.VolumePlace(
            path: isUsable ? record.domain : "/absent/pacsfs-volume-\(record.ordinal)",
            domain: record.domain)
    }

    private func listLacking(on volumes: [Int], in summary: inout RestoreSummary) throws {
        let file = path + "/" + Self.lackingName
        let totals = try index.read { try $0.totals() }
        (summary.images, summary.offlineOnly) = (
            totals.instances, totals.offlineOnly(present: volumes)
        )
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
