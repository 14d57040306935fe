import Storage

/// A ledger that was read from its first record to its last, every hash compared. Nothing else of
/// a source is believed before.
struct VerifiedLedger {
    let site: String
    let summary: LedgerSummary
    /// The last record.
    let head: Digest
    private let folder: InspectedVolume
    private let goodBytes: [Int: Int64]

    /// - Parameters:
    ///   - path: A volume, or a folder with `ledger`.
    ///   - archive: The archive's id.
    ///   - noted: A head that a person has kept; the ledger must have that record.
    ///   - scratch: A folder for a ledger that is in pieces, in which it is put together.
    /// - Throws: ``ArchiveError`` when there is no ledger, it is damaged or was changed, or a newer
    ///   pacsfs wrote a record.
    init(
        in path: String, archive: String, noted: Verification.Head? = nil, scratch: String
    ) throws {
        site = Ledger.site(archive: archive)
        var path = path
        if LedgerPieces.areIn(path, site: site) {
            try LedgerPieces.assemble(path, site: site, into: scratch)
            path = scratch
        }
        folder = try InspectedVolume(at: path)
        var chain: LedgerChain
        do throws(StorageError) { chain = try folder.ledger(of: site) } catch {
            guard error.code == .notFound else { throw error }
            throw Self.none(path)
        }
        summary = try LedgerSummary(reading: &chain)
        if let fault = chain.fault {
            throw ArchiveError(
                .storage,
                "The ledger is damaged or was changed: \(fault). Nothing of it is believed",
                path: chain.path(fault.segment),
                remedy: "Restore from another volume or off-site copy.")
        }
        guard summary.records > 0 else { throw Self.none(path) }
        head = chain.position.head
        goodBytes = chain.goodBytes
        if let noted { try require(noted) }
    }

    private static func none(_ path: String) -> ArchiveError {
        ArchiveError(
            .storage, "There is no ledger in \(path).",
            remedy:
                """
                If the images of a volume are all that is left: pacsfs init --from VOLUME, then \
                pacsfs rebuild --from-blobs
                """)
    }

    /// - Throws: ``ArchiveError`` when the ledger ends before the record, or has another one.
    private func require(_ noted: Verification.Head) throws {
        var chain = try folder.ledger(of: site)
        while let record = try chain.next() {
            let isNoted = record.end.head == noted.digest
            if isNoted, noted.number == nil || noted.number == record.number { return }
        }
        throw ArchiveError(
            .storage,
            """
            The ledger does not have the record whose head was noted: it was rolled back to an \
            earlier state, or changed.
            """, remedy: "Restore from another volume or off-site copy.")
    }

    /// Copies it to a new volume of the archive.
    func copy(to volume: Volume) throws(StorageError) {
        try folder.copyLedger(of: site, goodBytes: goodBytes, to: volume)
    }
}
