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

    /// The names in `staging/commit` as they are now, each with the inode of its file; of a blob
    /// that has been renamed from there already it is 0.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func stagedNames() throws(StorageError) -> [Digest: UInt64] {
        try onDisk { [self] () throws(StorageError) in
            var names: [Digest: UInt64] = [:]
            for digest in Set(try committing.entries().compactMap(Self.staged)) {
                names[digest] = try committing.facts(Self.stagedName(digest))?.inode ?? 0
            }
            return names
        }
    }

    /// The digest that a name in `staging/commit` stands for; `nil` for an incomplete copy.
    static func staged(_ name: String) -> Digest? {
        guard let dot = name.firstIndex(of: "."),
            name[dot...] == ".dcm" || name[dot...] == pendingSuffix
        else { return nil }
        return Digest(hex: name[..<dot])
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
