import System

extension Volume {
    /// Whether a blob is on its way: it has a name in `staging/commit` until its record is in
    /// the ledger.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func isStaged(_ digest: Digest) throws(StorageError) -> Bool {
        try onDisk { [self] () throws(StorageError) in
            try Self.isStaged(digest, in: committing)
        }
    }

    /// Whether what is staged of a blob is the blob itself, or nothing: then there is nothing to
    /// gain from it.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func isStagedBlob(_ digest: Digest) throws(StorageError) -> Bool {
        guard let blob = try blobs.facts(Self.blobName(digest)) else { return false }
        return try committing.facts(Self.stagedName(digest))?.isSameFile(as: blob) ?? true
    }

    static func isStaged(
        _ digest: Digest, in committing: borrowing Directory
    ) throws(StorageError) -> Bool {
        if try committing.facts(stagedName(digest)) != nil { return true }
        return try committing.facts(digest.hex + pendingSuffix) != nil
    }

    /// Opens a file of `staging/commit` for reading, for recovery to go on with it.
    ///
    /// - Throws: `notFound` when it is not there.
    public func openPending(_ digest: Digest) throws(StorageError) -> Descriptor {
        try opening { [self] () throws(StorageError) in
            try committing.openFile(Self.stagedName(digest))
        }
    }
}

extension Volume {
    /// Opens the identity file for reading.
    ///
    /// - Throws: `notFound` when it is not there.
    public func openIdentity() throws(StorageError) -> Descriptor {
        try opening { [self] () throws(StorageError) in try root.openFile(Name.identity) }
    }
}
