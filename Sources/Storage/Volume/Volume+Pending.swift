import System

extension Volume {
    /// Whether a blob is on its way: it has a name in `staging/commit` until its record is in
    /// the ledger.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func isStaged(_ digest: Digest) throws(StorageError) -> Bool {
        try Self.isStaged(digest, in: committing)
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
        try committing.openFile(Self.stagedName(digest))
    }
}

extension Volume {
    /// Opens the identity file for reading.
    ///
    /// - Throws: `notFound` when it is not there.
    public func openIdentity() throws(StorageError) -> Descriptor {
        try root.openFile(Name.identity)
    }
}
