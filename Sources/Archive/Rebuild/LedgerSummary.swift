import Logging
import Naming
import Storage
import TagIndex

/// The archive as a whole, by a ledger.
struct LedgerSummary {
    var views: [View]?
    /// The volumes that are part of the archive.
    var volumes: [VolumeRecord] = []
    /// The ordinals of volumes that have left it, and when they left.
    var departed: [Int: Timestamp] = [:]
    var records: Int64 = 0

    /// From the volume that has most of the ledger; `nil` when none has a usable one.
    ///
    /// - Throws: ``ArchiveError`` with code `newerFormat` when a newer pacsfs wrote a record.
    static func best(
        of volumes: [Volume], site: String, _ log: Logger
    ) throws(ArchiveError) -> LedgerSummary? {
        var best: LedgerSummary?
        for volume in volumes {
            do {
                var chain = try LedgerChain(volume: volume, site: site)
                let summary = try LedgerSummary(reading: &chain)
                if summary.records > best?.records ?? 0 { best = summary }
            } catch let error as ArchiveError where error.code == .newerFormat {
                throw error
            } catch {
                log.error("The ledger of \(volume.path) cannot be used: \(error)")
            }
        }
        return best
    }

    /// Reads a chain to its end.
    ///
    /// - Throws: As ``LedgerChain/next()``; ``ArchiveError`` for a record that this program does
    ///   not understand.
    init(reading chain: inout LedgerChain) throws {
        while let record = try chain.next() {
            records = record.number
            switch try LedgerEvent(record) {
            case .views(let event): views = event.views
            case .volume(.add(let ordinal, let id, let domain, _)):
                volumes.removeAll { $0.ordinal == ordinal }
                volumes.append(VolumeRecord(ordinal: ordinal, id: id, domain: domain))
            case .volume(let event) where event.isDeparture:
                volumes.removeAll { $0.ordinal == event.ordinal }
                departed[event.ordinal] = record.entry.time
            default: break
            }
        }
    }
}
