extension Archive {
    /// Keeps, forgets and renames searches; on disk when this returns.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written on enough volumes.
    public func changeSearches(_ changes: [SearchEvent]) throws(ArchiveError) {
        try ArchiveError.from { try core.catalogue.record(changes.map { .search($0) }) }
    }
}
