import System

// What a restore takes from a volume, or from a folder that is laid out like one. Nothing is
// written there.
extension InspectedVolume {
    /// Opens a blob for reading. Its content is not checked.
    ///
    /// - Throws: `notFound` when it is not there.
    public func openBlob(_ digest: Digest) throws(StorageError) -> Descriptor {
        try root.openFile("\(Volume.Name.blobs)/\(Volume.blobName(digest))")
    }

    /// The rejected files, to copy from; `nil` when there are none.
    ///
    /// - Throws: `io` when the folder cannot be opened.
    public func rejectedFiles() throws(StorageError) -> RejectedFolder? {
        guard try root.facts(Volume.Name.rejected)?.isDirectory == true else { return nil }
        let folder = try root.openDirectory(Volume.Name.rejected)
        return try RejectedFolder(
            folder, staging: root.openDirectory(Volume.Name.rejected), reserve: 0, disk: nil)
    }

    /// Copies a ledger to a new volume, durably. What an interrupted call left there goes first.
    ///
    /// - Parameters:
    ///   - goodBytes: As ``LedgerChain/goodBytes`` says of the whole ledger: nothing else is
    ///     copied.
    ///   - volume: It has no records of its own yet.
    /// - Throws: `corrupt` when the ledger changes meanwhile; what a system call says.
    public func copyLedger(
        of site: String, goodBytes: [Int: Int64], to volume: Volume
    ) throws(StorageError) {
        let ledger = try root.openDirectory(Volume.Name.ledger)
        let source = LedgerFolder(try ledger.openDirectory(site), site: site)
        let target = try LedgerFolder(making: site, on: volume)
        try target.clear()
        for (segment, bytes) in goodBytes.sorted(by: { $0.key < $1.key }) {
            let copy = SegmentCopy(segment: segment, from: source, to: target, range: 0..<bytes)
            try volume.onDisk { () throws(StorageError) in _ = try copy.run() }
        }
    }
}
