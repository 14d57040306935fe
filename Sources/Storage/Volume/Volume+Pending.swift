import System

extension Volume {
    /// Whether a blob is on its way: it has a name in `staging/commit` until its record is in
    /// the ledger.
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
    /// Whether a file of this size lies at a path below `rejected`.
    public func hasRejected(_ path: String, bytes: Int64) -> Bool {
        guard let facts = (try? rejected.facts(path)) ?? nil else { return false }
        return facts.isRegular && facts.bytes == bytes
    }

    /// Opens the identity file for reading.
    public func openIdentity() throws(StorageError) -> Descriptor {
        try root.openFile(Name.identity)
    }

    /// The descriptor of `rejected`, for showing it; valid as long as the volume lives.
    public var rejectedDescriptor: Int32 { rejected.number }
}
