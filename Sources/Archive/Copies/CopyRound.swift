import Storage

/// Staged copies that are made durable together.
struct CopyRound {
    private var targets: [(volume: Volume, blobs: [StagedBlob])] = []
    /// Of all copies.
    private(set) var bytes: Int64 = 0

    mutating func add(_ blob: StagedBlob, on volume: Volume) {
        let index = targets.firstIndex { $0.volume === volume } ?? targets.count
        if index == targets.count { targets.append((volume, [])) }
        targets[index].blobs.append(blob)
        bytes += blob.bytes
    }

    /// Makes the copies durable, and records them. A volume that fails is left out, and the log
    /// says why.
    ///
    /// - Parameter stored: Called with the copies of each volume that are recorded.
    /// - Returns: The digests that have a copy now on one volume at least.
    /// - Throws: ``ArchiveError`` when the ledger cannot be written.
    @discardableResult
    func commit(
        in core: ArchiveCore, _ stored: (Volume, [StagedBlob]) -> Void = { _, _ in },
        failed: (Volume, [StagedBlob]) -> Void = { _, _ in }
    ) throws -> Set<Digest> {
        var digests: Set<Digest> = []
        for (volume, blobs) in targets {
            do throws(StorageError) {
                try volume.store(blobs)
            } catch {
                core.volumes.suspect(volume, error)
                core.log.error("Copies could not be stored on \(volume.path): \(error)")
                failed(volume, blobs)
                continue
            }
            try core.catalogue.record([.copies(blobs.map(\.digest), on: volume.identity.ordinal)])
            try? volume.finish(blobs.map(\.digest))
            digests.formUnion(blobs.map(\.digest))
            stored(volume, blobs)
        }
        return digests
    }
}
