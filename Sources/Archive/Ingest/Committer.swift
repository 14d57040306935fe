import Foundation
import Naming
import Storage
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
//   6. answer    observers first, so that whoever is answered finds his image listed
//
//   crash before 3    nothing was promised. What lies in staging/commit is whole or dropped:
//                     Recovery archives it then, or it stays in incoming.
//   crash in 3        one volume may have records that another lacks: they are topped up from
//                     the longest ledger. Their blobs are on disk since step 1.
//   crash before 4    the index is behind the ledger: the records are replayed into it.
//   crash before 5    a name in staging/commit whose digest is indexed: it is dropped.

/// Makes prepared files safe; used by one thread.
final class Committer: Sendable {
    private let volumes: VolumeSet
    private let catalogue: Catalogue
    private let observer: ObserverBox

    init(volumes: VolumeSet, catalogue: Catalogue, observer: ObserverBox) {
        self.volumes = volumes
        self.catalogue = catalogue
        self.observer = observer
    }

    func commit(_ batch: [Prepared]) {
        do {
            try store(batch)
            let recorded = try catalogue.record(batch)
            for volume in volumes.online {
                // A name that stays is dropped at the next start.
                try? volume.finish(batch.map(\.staged.digest))
            }
            let (outcomes, isShort) = (recorded.result, recorded.isShort)
            let replaced = batch.compactMap { prepared -> Int64? in
                if case .duplicate(let id) = prepared.kind, !prepared.volumes.isEmpty { id } else { nil }
            }
            observer.publish(recorded.changedNodes, replaced: replaced) {
                for (prepared, outcome) in zip(batch, outcomes) {
                    prepared.completion(
                        isShort
                            ? .failure(Self.shortLedger(prepared.request.source)) : .success(outcome))
                }
            }
        } catch let error as Catalogue.Unindexed {
            for prepared in batch {
                prepared.completion(
                    .failure(ArchiveError(.index, "\(prepared.request.source) is stored, but the index is damaged: \(error.reason). Restart pacsfs.")))
            }
        } catch {
            // One file that cannot be stored must not fail the others.
            if batch.count > 1 {
                for prepared in batch { commit([prepared]) }
                return
            }
            for prepared in batch {
                var failure: ArchiveError
                do { failure = try ArchiveError.from { throw error } } catch { failure = error }
                failure.message = "\(prepared.request.source) was not archived. \(failure.message)"
                prepared.completion(.failure(failure))
            }
        }
    }

    private static func shortLedger(_ source: String) -> ArchiveError {
        ArchiveError(
            .storage,
            "\(source) is stored, but its record could not be written on as many volumes as it should be. Look at «pacsfs status», and copy it again when the volumes are well.")
    }

    /// Step 1.
    private func store(_ batch: [Prepared]) throws {
        let targets = volumes.online.filter { volume in
            batch.contains { $0.volumes.contains { $0 === volume } }
        }
        guard !targets.isEmpty else { return }
        _ = try VolumeSet.together(targets) { volume in
            let files = batch.filter { $0.volumes.contains { $0 === volume } }
            let staged = files.map(\.staged)
            // The copy of a duplicate is staged only where what is there is bad.
            let bad = Set(files.compactMap { if case .duplicate = $0.kind { $0.staged.digest } else { nil } })
            let outcomes = try volume.commit(staged, replacing: bad)
            for (file, outcome) in zip(staged, outcomes) where outcome != .stored {
                // Something has the blob's name that no record knows: left by a crash, or put
                // there by somebody. It is believed only after it was read.
                if outcome == .alreadyPresent, try volume.verifyBlob(file.digest, bytes: file.bytes) { continue }
                _ = try volume.commit([file], replacing: [file.digest])
            }
        }
    }
}
