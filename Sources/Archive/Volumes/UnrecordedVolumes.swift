import Storage
import TagIndex

extension Archive {
    /// Tells the ledger of volumes that are here and that it does not know: those that were
    /// away when it was begun.
    func recordUnknownVolumes() {
        do {
            let known = try index.read { try $0.volumes() }
            let unknown = volumes.online.map(\.identity).filter { identity in
                !known.contains { $0.ordinal == identity.ordinal }
            }
            guard !unknown.isEmpty else { return }
            try catalogue.record(unknown.map { .addVolume($0) })
            try adoptVolumes()
        } catch {
            // The next start, or the next volume that comes, does it.
            log.warning("The ledger was not told of a volume that it does not know: \(error)")
        }
    }
}
