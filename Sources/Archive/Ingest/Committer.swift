import Foundation
import Naming
import Storage
import System
import TagIndex

// A batch is made safe in this order:
//
//   1. blobs     on every volume at once: bytes durable, then named below blobs/, folders
//                durable (Volume.commit tells what a crash leaves in between)
//   2. names     a transaction of the index is opened and decides series, paths and names
//   3. ledger    the records are appended on every volume and made durable: from here on
//                the images are archived
//   4. index     the transaction is committed; it need not be durable
//   5. finish    the names in staging/commit go
//   6. answer    observers first, so that a program that gets the answer finds its image listed
//
// When a volume fails in 1 (VolumeSet.suspect), its files go to others, or get fewer copies, down
// to min_copies. When a volume fails in 3, it drops out of the ledger; if too few are left,
// every file of the batch fails. Copies on a volume that has left the archive in between do not
// count. A volume whose disk does not answer counts as failed after a while (DiskPatience).
//
//   crash before 3    nothing was promised. What lies in staging/commit is whole or dropped:
//                     Recovery archives it then, or it stays in incoming.
//   crash in 3        one volume may have records that another lacks: they are topped up from
//                     the longest ledger. Their blobs have been on disk since step 1.
//   crash before 4    the index is behind the ledger: the records are replayed into it.
//   crash before 5    a name in staging/commit whose digest is indexed: it is dropped.

/// Makes staged files safe; used by one thread.
final class Committer: Sendable {
    private let volumes: VolumeSet
    private let catalogue: Catalogue
    private let stage: IngestStage
    private let completions: Completions
    private let repairs: CopyRepairs

    init(
        stage: IngestStage, catalogue: Catalogue, completions: Completions,
        repairs: CopyRepairs
    ) {
        self.repairs = repairs
        self.stage = stage
        volumes = stage.volumes
        self.catalogue = catalogue
        self.completions = completions
    }

    func commit(_ batch: [StagedIngest]) {
        do {
            let (batch, recorded) = try safe(stage.sameDataSet.resolve(batch))
            finish(batch.map(\.staged.digest))
            let (outcomes, isShort) = (recorded.result, recorded.isShort)
            let replaced = batch.compactMap { prepared -> Int64? in
                if case .duplicate(let id) = prepared.kind, !prepared.volumes.isEmpty {
                    id
                } else {
                    nil
                }
            }
            let answers = zip(batch, outcomes).map { prepared, outcome in
                prepared.answer(
                    isShort
                        ? .failure(Self.shortLedger(prepared.request.source)) : .success(outcome))
            }
            completions.put(
                changedNodes: recorded.changedNodes, replaced: replaced, answers)
        } catch let error as Catalogue.RecordedButNotIndexed {
            completions.put(
                batch.map { prepared in
                    prepared.answer(
                        .failure(
                            ArchiveError(
                                .index,
                                """
                                \(prepared.request.source) is stored, but the index is damaged: \
                                \(error.reason).
                                """,
                                remedy: "Restart pacsfs.")))
                })
        } catch {
            // One file that cannot be stored must not fail the others.
            if batch.count > 1 {
                for prepared in batch { commit([prepared]) }
                return
            }
            for prepared in batch {
                let sentence = "\(prepared.request.source) was not archived."
                completions.put([prepared.answer(.failure(ArchiveError(error).prefixed(sentence)))])
            }
        }
    }

    /// Steps 1 to 4. While bad copies are replaced by good ones no reader may set them aside: it
    /// has seen the old one.
    private func safe(_ batch: [StagedIngest]) throws -> (
        [StagedIngest], Catalogue.Recorded<[IngestOutcome]>
    ) {
        let replaced = batch.compactMap { prepared in
            if case .duplicate = prepared.kind, !prepared.volumes.isEmpty {
                prepared.staged.digest
            } else {
                nil
            }
        }
        return try repairs.exclusively(Set(replaced)) {
            let batch = try stored(batch)
            return (batch, try catalogue.record(batch))
        }
    }

    /// Step 5.
    private func finish(_ digests: [Digest]) {
        let volumes = volumes.writable
        @Sendable func finish() {
            // A name that stays is dropped at the next start.
            for volume in volumes { try? volume.finish(digests) }
        }
        guard let patience = self.volumes.patience else { return finish() }
        // One change of threads for all of them: this costs little.
        patience.run(finish)
    }

    private static func shortLedger(_ source: IngestSource) -> ArchiveError {
        ArchiveError(
            .storage,
            """
            \(source) is stored, but its record could not be written on as many volumes as it \
            should be.
            """,
            remedy:
                "Look at \"pacsfs status\", and copy it again when the volumes are well."
        )
    }

    /// Step 1. Files on a volume that fails meanwhile go to another, where there is one.
    ///
    /// - Returns: The batch, with the volumes that each file is on.
    private func stored(_ batch: [StagedIngest]) throws -> [StagedIngest] {
        var batch = batch
        while true {
            let failed = try store(batch)
            if failed.isEmpty { return batch }
            batch = try batch.map { prepared in
                let isAffected = prepared.volumes.contains { volume in
                    failed.contains { $0 === volume }
                }
                return isAffected ? try stage.retarget(prepared, without: failed) : prepared
            }
        }
    }

    /// - Returns: The volumes that failed.
    /// - Throws: Any other error.
    private func store(_ batch: [StagedIngest]) throws -> [Volume] {
        // Those that get no file now take records.
        var targets = volumes.online
        for volume in batch.flatMap(\.volumes) where !targets.contains(where: { $0 === volume }) {
            targets.append(volume)
        }
        let results = Volume.onAll(targets, \.self) { [volumes] volume throws(StorageError) in
            volumes.check(volume)
            let files = batch.filter { $0.volumes.contains { $0 === volume } }
            if files.isEmpty { return }
            guard volumes.isWritable(volume) else { throw Self.gone(volume) }
            let staged = files.map(\.staged)
            let bad = Set(
                files.filter { $0.bad.contains(volume.identity.ordinal) }.map(\.staged.digest))
            try volume.store(staged, replacing: bad)
            // Somebody may have moved its folders away meanwhile, with what was stored.
            try volume.requireInPlace()
        }
        var failed: [Volume] = []
        for (volume, result) in zip(targets, results) {
            guard case .failure(let error) = result else { continue }
            volumes.suspect(volume, error)
            // Another volume does not help against a full disk or a file that changed.
            if volumes.isWritable(volume) { throw error }
            failed.append(volume)
        }
        return failed
    }

    private static func gone(_ volume: Volume) -> StorageError {
        StorageError(
            .io, "the volume went while a file was stored", path: volume.path,
            remedy: "Look at \"pacsfs status\"")
    }
}
