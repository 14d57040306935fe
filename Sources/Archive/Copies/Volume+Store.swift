import Storage

extension Volume {
    /// Makes staged files blobs. A file that has a blob's name already, but no record, may come
    /// from a crash or from a user; it is used only after it was read and found good.
    ///
    /// Several threads may store the same bytes on a volume at once: an ingest, a reader that
    /// heals, the resilver. They share one name in staging. The first that has a record removes the
    /// name; the blob exists then.
    ///
    /// - Parameter bad: Digests whose blob, if there is one, is known to be bad.
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
        guard try blobState(file.digest, bytes: file.bytes) == .present else { return false }
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
