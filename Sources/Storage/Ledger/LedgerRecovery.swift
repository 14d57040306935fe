import Glibc

/// Brings the ledgers on several volumes to the same state after a crash or an absence, and
/// tells what it did.
///
/// A crash leaves ledgers of different length, each a beginning of the longest, perhaps with an
/// unfinished end. Recovery
///
/// 1. finds unfinished ends: it reads the last lines of each, as far back as a batch may reach;
/// 2. takes for each segment the longest copy, and makes sure by their last lines that the
///    others are beginnings of it; when one is not, it stops with `diverged`, and nothing has
///    been changed;
/// 3. cuts the unfinished ends off (they are kept in `rejected/torn-ledger`) and copies what is
///    missing, segments that were lost too.
///
/// It takes time by the length of the ends, not of the ledgers. That older lines are what they
/// were, ``LedgerVerification`` tells.
public struct LedgerRecovery: Sendable {
    /// What was done and found on one volume.
    public struct OnVolume: Sendable {
        /// The volume's ordinal.
        public var volume: Int
        /// The unfinished end that was cut off.
        public var tornTail: TornTail?
        /// Bytes that were copied from other volumes.
        public var copiedBytes: Int64
        /// Why the volume does not take part; `nil` when it does.
        public var failure: StorageError?
    }

    /// Where the ledger ends now.
    public var end: LedgerPosition
    /// In the order in which the volumes were given.
    public var volumes: [OnVolume]

    /// Why a volume does not take part; `nil` when it does.
    public func failure(of volume: Volume) -> StorageError? {
        volumes.first { $0.volume == volume.identity.ordinal }?.failure
    }

    /// Runs on one site's ledger.
    ///
    /// - Returns: What was done, and the ledgers of those volumes that take part.
    /// - Throws: `diverged`; when no volume can take part, why the first cannot.
    static func run(
        on volumes: [Volume], site: String
    ) throws(StorageError) -> (LedgerRecovery, [LedgerFolder]) {
        guard !volumes.isEmpty else {
            throw StorageError(
                .tooFewVolumes, "no volume is present", path: site,
                remedy: "Plug in and mount at least one")
        }
        var reports = volumes.map {
            OnVolume(volume: $0.identity.ordinal, tornTail: nil, copiedBytes: 0, failure: nil)
        }
        var ends: [Int: LedgerEnd] = [:]
        for (index, volume) in volumes.enumerated() {
            do throws(StorageError) {
                ends[index] = try LedgerEnd(
                    of: LedgerFolder(volume: volume, site: site, making: true))
            } catch {
                reports[index].failure = error
            }
        }
        let plan = try LedgerPlan(ends.sorted { $0.key < $1.key }.map(\.value))
        var folders: [LedgerFolder] = []
        for (index, end) in ends.sorted(by: { $0.key < $1.key }) {
            do throws(StorageError) {
                if let torn = end.tornTail {
                    try cut(torn, from: end.folder)
                    reports[index].tornTail = torn
                }
                for copy in plan.copies(to: end) {
                    reports[index].copiedBytes += try copy.run()
                }
                folders.append(end.folder)
            } catch {
                reports[index].failure = error
            }
        }
        guard !folders.isEmpty else {
            throw reports.lazy.compactMap(\.failure).first
                ?? StorageError(.io, "no ledger can be used", path: site, remedy: "See the log")
        }
        return (LedgerRecovery(end: plan.end, volumes: reports), folders)
    }

    private static func cut(_ torn: TornTail, from folder: LedgerFolder) throws(StorageError) {
        let bytes = try folder.bytes(
            torn.segment, before: torn.offset + torn.bytes, count: torn.bytes)
        do throws(StorageError) {
            let aside = try folder.volume.rejected.directory.openOrMakeDirectory(
                Volume.Name.tornLedger)
            try aside.replaceFile(
                "\(folder.site)-\(LedgerFolder.name(torn.segment)).\(torn.offset)", with: bytes)
        } catch  where error.code == .noSpace {
            // Nobody was told that these records are safe; a full disk must not stop recovery.
        }
        let file = try folder.open(torn.segment, O_RDWR)
        try file.cut(to: torn.offset, path: folder.path(torn.segment))
    }
}
