import Storage

extension Volume {
    /// Makes staged files blobs. A blob that is there already without a record, left by a crash or
    /// put there by somebody, counts only after it was read.
    ///
    /// Several threads may store the same bytes on a volume at once: an ingest, a reader that
    /// heals, the resilver. They share one name in staging, which goes with the first that has a
    /// record; the blob is there then.
    ///
    /// - Parameter bad: Digests whose blob, if there is one, is known to be bad.
    /// - Throws: As ``Volume/commit(_:replacing:)``.
    func store(_ staged: [StagedBlob], replacing bad: Set<Digest> = []) throws(StorageError) {
        var staged = staged
        while true {
            do throws(StorageError) {
                return try storeStaged(staged, replacing: bad)
            } catch {
                guard error.code == .notFound else { throw error }
                var left: [StagedBlob] = []
                for file in staged {
                    if try isStaged(file.digest) {
                        left.append(file)
                    } else if try !isStored(file) {
                        throw error
                    }
                }
                guard left.count < staged.count else { throw error }
                staged = left
            }
        }
    }

    private func isStored(_ file: StagedBlob) throws(StorageError) -> Bool {
        guard try inodeFault(of: file.digest, bytes: file.bytes) == nil else { return false }
        return try verifyBlob(file.digest, bytes: file.bytes)
    }

    private func storeStaged(_ staged: [StagedBlob], replacing bad: Set<Digest>)
        throws(StorageError)
    {
        let outcomes = try commit(staged, replacing: bad)
        for (file, outcome) in zip(staged, outcomes) where outcome != .stored {
            if outcome == .alreadyPresent, try verifyBlob(file.digest, bytes: file.bytes) {
                continue
            }
            _ = try commit([file], replacing: [file.digest])
        }
    }
}
