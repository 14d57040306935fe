import Offsite
import Storage
import TagIndex

/// The ledger of a source, verified, with an index that is made from it alone: for looking into a
/// volume or an off-site copy without making an archive of it.
struct ScratchLedger {
    /// The index, for ``TagIndex/init(readingFrom:)``.
    let index: String
    /// The name of the view that is shown first.
    let firstView: String?
    /// The archive's id.
    let archive: String
    /// How many records the ledger has.
    let records: Int64
    /// SHA-256 of the last of these.
    let head: Digest
    /// A volume that has the ledger and nothing else.
    let volume: Volume

    /// - Parameters:
    ///   - noted: A head that a person has kept; the ledger must have that record.
    ///   - folder: An empty folder, which the caller removes.
    ///   - isWanted: Asked every second while it is fetched.
    ///   - progress: Called while the ledger comes.
    /// - Throws: ``ArchiveError`` when the ledger is damaged or was changed.
    init(
        of origin: RestoreOrigin, noted: Verification.Head? = nil, in folder: String,
        isWanted: @escaping () -> Bool = { true },
        progress: (TransferProgress) -> Void = { _ in }
    ) throws {
        archive = try origin.archive()
        let ledger = try origin.ledger(
            of: archive, noted: noted, scratch: folder, isWanted: isWanted, progress: progress)
        let summary = ledger.summary
        (records, head) = (summary.records, ledger.head)
        firstView = summary.views?.first?.name
        // An ordinal that no volume of the archive has.
        let ordinal =
            1
            + max(
                summary.volumes.map(\.ordinal).max() ?? 0, summary.departed.keys.max() ?? 0)
        volume = try Volume.create(
            at: folder + "/volume", archive: archive, ordinal: ordinal, domain: folder)
        try ledger.copy(to: volume)
        index = folder + "/index.sqlite"
        _ = try IndexRebuild(
            volume: volume, site: ledger.site, path: index, progress: { _ in }
        ).run()
    }
}
