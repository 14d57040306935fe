extension Volume {
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
    public func openIdentity() throws(StorageError) -> Descriptor { try root.openFile(Name.identity) }

    /// The descriptor of `rejected`, for showing it; valid as long as the volume lives.
    public var rejectedDescriptor: Int32 { rejected.number }
}
