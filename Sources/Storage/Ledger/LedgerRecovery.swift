import Glibc
import System

/// Brings the ledgers on several volumes to the same state after a crash or an absence, and
/// reports what it did.
///
/// A crash leaves ledgers of different length, each a beginning of the longest, perhaps with a
/// ``TornTail``. Recovery
///
/// 1. finds torn tails: it reads the last lines of each ledger, as far back as a batch may reach;
/// 2. takes the longest copy of each segment, and makes sure by their last lines that the others
///    are beginnings of it; when one is not, it stops with `diverged`, and nothing has been
///    changed;
/// 3. cuts the torn tails off (they are kept in `rejected/torn-ledger`) and copies missing lines
///    and segments.
///
/// It takes time by the length of the ends, not of the ledgers. Only a strict ``LedgerChain`` from
/// the first record on tells whether older lines were changed.
public struct LedgerRecovery: Sendable {
    /// What was found and done on one volume.
    public struct OnVolume: Sendable {
        /// The volume's ordinal.
        public var volume: Int
        /// The torn tail that was cut off.
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
    /// - Returns: What was done, and writers for those volumes that take part.
    /// - Throws: `diverged`; when no volume can take part, why the first cannot.
    static func run(
        on volumes: [Volume], site: String
    ) throws(StorageError) -> (LedgerRecovery, [LedgerWriter]) {
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
                ends[index] = try volume.onDisk { () throws(StorageError) in
                    try LedgerEnd(of: LedgerFolder(making: site, on: volume))
                }
            } catch {
                reports[index].failure = error
            }
        }
        let plan = try LedgerPlan(ends.sorted { $0.key < $1.key }.map(\.value))
        var writers: [LedgerWriter] = []
        for (index, end) in ends.sorted(by: { $0.key < $1.key }) {
            do throws(StorageError) {
                let volume = volumes[index]
                if let torn = end.tornTail {
                    try volume.onDisk { () throws(StorageError) in
                        try cut(torn, from: end.folder, on: volume)
                    }
                    reports[index].tornTail = torn
                }
                for copy in plan.copies(to: end) {
                    reports[index].copiedBytes += try volume.onDisk { () throws(StorageError) in
                        try copy.run()
                    }
                }
                writers.append(LedgerWriter(end.folder, on: volumes[index]))
            } catch {
                reports[index].failure = error
            }
        }
        guard !writers.isEmpty else {
            throw reports.lazy.compactMap(\.failure).first
                ?? StorageError(.io, "no ledger can be used", path: site, remedy: "See the log")
        }
        return (LedgerRecovery(end: plan.end, volumes: reports), writers)
    }

    private static func cut(
        _ torn: TornTail, from folder: LedgerFolder, on volume: Volume
    ) throws(StorageError) {
        let bytes = try folder.bytes(
            torn.segment, before: torn.offset + torn.bytes, count: torn.bytes)
        do throws(StorageError) {
            let aside = try volume.rejected.directory.openOrMakeDirectory(
                Volume.Name.tornLedger)
            try aside.replaceFile(
                "\(folder.site)-\(LedgerFolder.name(torn.segment)).\(torn.offset)", with: bytes)
        } catch  where error.code == .noSpace {
            // These records were never acknowledged: a full disk must not stop recovery.
        }
        let file = try folder.open(torn.segment, O_RDWR)
        try file.cut(to: torn.offset, path: folder.path(torn.segment))
    }
}
