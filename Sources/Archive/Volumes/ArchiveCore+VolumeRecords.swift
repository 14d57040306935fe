import Storage
import TagIndex

// The ledger's records about volumes, and the volumes that are in use.
extension ArchiveCore {
    /// Applies what the ledger says of the volumes by now.
    func adoptVolumeRecords() throws {
        if volumes.adopt(try index.read { try $0.volumes() }) { observers.movedStaging() }
    }

    /// Records volumes that are here and that the ledger does not know: they were away when it
    /// was begun.
    func recordUnknownVolumes() {
        do {
            let known = try index.read { try $0.volumes() }
            let unknown = volumes.online.map(\.identity).filter { identity in
                !known.contains { $0.ordinal == identity.ordinal }
            }
            guard !unknown.isEmpty else { return }
            try catalogue.record(unknown.map { .addVolume($0) })
            try adoptVolumeRecords()
        } catch {
            // The next start, or the next volume that comes, does it.
            log.warning("A volume that the ledger does not know could not be recorded: \(error)")
        }
    }
}
