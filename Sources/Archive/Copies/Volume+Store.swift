import Storage

extension Volume {
    /// Makes staged files blobs. What has a blob's name already and no record knows, left by a
    /// crash or put there by somebody, is believed only after it was read.
    ///
    /// - parameter bad: digests whose blob, if there is one, is known to be bad
    func store(_ staged: [StagedBlob], replacing bad: Set<Digest> = []) throws(StorageError) {
        let outcomes = try commit(staged, replacing: bad)
        for (file, outcome) in zip(staged, outcomes) where outcome != .stored {
            if outcome == .alreadyPresent, try verifyBlob(file.digest, bytes: file.bytes) { continue }
            _ = try commit([file], replacing: [file.digest])
        }
    }
}
