import Foundation
import Logging
import Storage
import TagIndex

/// The result of a rebuild.
public struct RebuildSummary: Codable, Sendable {
    /// How many records of the ledger were read; or written, when it was begun anew.
    public var records: Int64
    public var images: Int64
    public var seconds: Double
    /// From blobs only: how many copies are not what their name says.
    public var damagedCopies: Int64 = 0
    /// From blobs only: SHA-256 of blobs that have no good copy, or are not images.
    public var leftOut: [String] = []
}

extension Archive {
    /// Makes the index anew from the ledger, while no process has the archive. The old index is
    /// kept as `index.sqlite.corrupt-<time>`.
    ///
    /// - Parameter fromBlobs: Make ledger and index from the images alone, when no volume has a
    ///   usable ledger; the unusable one is kept.
    /// - Throws: ``ArchiveError``: a process has the archive, none of its volumes is there, none
    ///   has a usable ledger, or a newer pacsfs wrote a record. The index is as it was then.
    public static func rebuild(
        at path: String, fromBlobs: Bool = false, log: Logger,
        progress: @escaping @Sendable (RebuildProgress) -> Void
    ) throws(ArchiveError) -> RebuildSummary {
        let start = ContinuousClock.now
        let settings = try Settings(file: ArchivePaths(path).configuration)
        let identity = try identity(of: path)
        let lock: ArchiveLock
        do { lock = try ArchiveLock(archive: path) } catch  where error.code == .locked {
            throw ArchiveError(
                .locked,
                "\(error) To rebuild its index, unmount it first: pacsfs unmount MOUNTPOINT"
            )
        }
        defer { withExtendedLifetime(lock) {} }
        let volumes = try VolumeSet(
            settings.volumes, archive: identity.archive,
            known: Dictionary(identity.volumes.map { ($0.path, $0.ordinal) }) { first, _ in first })
        return try ArchiveError.from {
            if fromBlobs {
                return try BlobRebuild(
                    archive: path, id: identity.archive, settings: settings, volumes: volumes,
                    log: log,
                    progress: progress
                ).run()
            }
            let (ledger, _) = try Ledger.open(on: volumes.online, archive: identity.archive)
            guard ledger.position.number > 0 else {
                throw ArchiveError(
                    .storage,
                    """
                    No volume has a ledger. If there are images in blobs/ of a volume: pacsfs \
                    rebuild --from-blobs
                    """
                )
            }
            let opening = IndexOpening(
                archive: path, ledger: ledger, volumes: volumes, log: log, progress: progress)
            let index = try opening.rebuild(because: "\"pacsfs rebuild\" was called.")
            defer { index.close() }
            return RebuildSummary(
                records: ledger.position.number,
                images: try index.read { try $0.totals().instances },
                seconds: (ContinuousClock.now - start) / .seconds(1))
        }
    }
}
