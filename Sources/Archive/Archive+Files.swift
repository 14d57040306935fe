import DICOM
import Storage
import System
import TagIndex

// Files that come, images that are read.
extension Archive {
    // MARK: Ingest

    /// Archives a file, or the images in it when it is a zip archive.
    ///
    /// - Parameter completion: Called once, from another thread, when the file is safe or is known
    ///   not to be.
    public func ingest(
        _ request: IngestRequest,
        completion: @escaping @Sendable (Result<IngestOutcome, ArchiveError>) -> Void
    ) {
        intake.ingest(request, completion: completion)
    }

    /// Archives a file and waits until it is safe, or is known not to be.
    public func ingestAndWait(_ request: IngestRequest) -> Result<IngestOutcome, ArchiveError> {
        intake.ingestAndWait(request)
    }

    /// Whether an open file is a zip archive, whose images are to be archived.
    public static func isZip(_ descriptor: Int32) -> Bool {
        ZipReader.isZip(descriptor: descriptor)
    }

    /// Whether an open file has the header of an image. One that cannot be read may be one.
    public static func isImage(_ descriptor: Int32) -> Bool {
        var reader = HeaderReader()
        do {
            let header = try reader.read(FileDescriptorSource(descriptor: descriptor))
            return !header.isMediaStorageDirectory
        } catch {
            return error.code == .io
        }
    }

    // MARK: Space

    /// What the volumes can hold.
    ///
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func capacity() throws(ArchiveError) -> Capacity {
        try ArchiveError.from { try core.capacity() }
    }

    /// - Throws: ``ArchiveError`` when a file of `bytes` bytes would not fit on as many volumes as
    ///   are wanted.
    public func checkRoom(for bytes: Int64) throws(ArchiveError) {
        try ArchiveDisk.requireRoom(at: path)
        core.volumes.check()
        _ = try core.volumes.choose(
            copies: settings.copies, minimum: settings.minimumCopies, bytes: max(1, bytes))
    }

    /// Checks whether a file of `/incoming` can grow.
    ///
    /// - Parameters:
    ///   - bytes: Its size by now. That much is in its place on the volume of `/incoming` already,
    ///     and would have to fit on the others.
    ///   - staging: Where it lies.
    /// - Throws: ``ArchiveError`` when it would not fit, or use up the reserve.
    public func checkRoom(
        for bytes: Int64, growingOn staging: StagingArea
    ) throws(ArchiveError) {
        try ArchiveError.from {
            try ArchiveDisk.requireRoom(at: path)
            try staging.volume.requireSpace(for: 1)
            _ = try core.volumes.choose(
                copies: settings.copies, minimum: settings.minimumCopies, bytes: max(1, bytes),
                holding: [staging.volume.identity.ordinal])
        }
    }

    // MARK: Incoming and rejected

    /// Where `/incoming` and `/rejected` are, until that volume goes.
    public var staging: StagingArea { intake.staging }

    /// How long anybody waits for the disk of a volume.
    public var patience: DiskPatience? { core.volumes.patience }

    /// The calls on the disk of the volume with an ordinal; `nil` while it is absent.
    public func disk(ofVolume ordinal: Int) -> DiskCalls? { core.volumes[ordinal]?.calls }

    /// How many files lie in `/incoming` on disk; as far as that can be seen.
    public func filesWaiting(on staging: StagingArea) -> Int {
        (try? Recovery.incomingFiles(of: staging.volume.incomingDescriptor).count) ?? 0
    }

    /// Removes the folders below a directory that have no file, however deep they are nested.
    ///
    /// - Returns: Whether the directory has no folder left.
    public func removeEmptyFolders(below directory: Int32) -> Bool {
        try? FolderWalk.removeEmptyFolders(below: directory)
        return (try? FolderWalk.levels(of: directory)) == 1
    }

    /// There was no room for a new file in `/incoming`: it moves to a volume that has some.
    public func followRoom() { maintenance.watch.followRoom() }

    /// A call below `/incoming` has failed: finds out whether its volume has.
    public func suspect(_ staging: StagingArea, isReadOnly: Bool) {
        let error = StorageError(
            isReadOnly ? .readOnly : .io, "incoming cannot be written to",
            path: staging.volume.path, remedy: "")
        core.volumes.suspect(staging.volume, error)
    }

    /// Rejects a file: it is copied below `/rejected`, durably and on as many volumes as an image,
    /// with its reason beside it. The same file from the same place is rejected once.
    ///
    /// - Throws: ``ArchiveError``; the source is unchanged.
    public func reject(_ request: RejectRequest) throws(ArchiveError) {
        try ArchiveError.from { try rejected.reject(request) }
    }

    /// Removes a rejected file, which is archived now, from the other volumes, with its reason. A
    /// copy whose bytes are not archived stays, and so does one that cannot be read.
    ///
    /// - Parameters:
    ///   - path: Below `rejected`.
    ///   - staging: The volume from which it was moved already.
    public func forgetRejected(_ path: [UInt8], on staging: StagingArea) {
        rejected.forget(path, on: staging)
    }

    /// Removes the reasons of files that are no longer in `rejected`, and the folders that are
    /// empty then.
    ///
    /// - Parameter paths: Of the files, below `rejected`.
    public func removeObsoleteReasons(_ paths: [[UInt8]], on staging: StagingArea) {
        rejected.removeReasons(of: paths, on: staging)
    }

    // MARK: Reading

    /// Opens the blob of an image on a volume whose copy is good: its file is unchanged since it
    /// was read, or is read now. Bad copies that are met are set aside and made anew from the good
    /// one before this returns.
    ///
    /// - Parameters:
    ///   - instance: `instance.id`.
    ///   - first: The ordinal of the volume whose copy is looked at first, of those in
    ///     ``readingOrder(of:)``; the best one when it is left out.
    ///   - isWanted: Asked now and then while a large copy is read.
    /// - Returns: A descriptor that the caller closes, the file it leads to, and whether that was
    ///   known to be good before: if not, bytes that somebody has kept may be others. `nil` when
    ///   it is not wanted any more.
    /// - Throws: ``ArchiveError`` with the code `noGoodCopy`: only the archived bytes are ever
    ///   given out; `onlyOffsite` when ``fetch(_:isWanted:completion:)`` may bring it back.
    public func openBlob(
        of instance: Int64, first: Int? = nil, isWanted: () -> Bool
    ) throws(ArchiveError) -> (descriptor: Int32, version: VerifiedBlob, wasKnown: Bool)? {
        try ArchiveError.from {
            do {
                let opened = try images.open(instance, first: first, isWanted: isWanted)
                return (opened.descriptor, opened.blob, opened.wasKnown)
            } catch is ReadingUnwanted {
                return nil
            }
        }
    }

    /// The same, however long it takes.
    ///
    /// - Parameter instance: `instance.id`.
    /// - Throws: ``ArchiveError`` with the code `noGoodCopy`.
    public func openBlob(of instance: Int64) throws(ArchiveError) -> (
        descriptor: Int32, version: VerifiedBlob, wasKnown: Bool
    ) {
        try ArchiveError.from {
            let opened = try images.open(instance)
            return (opened.descriptor, opened.blob, opened.wasKnown)
        }
    }

    /// Whether an image is so large that it takes long to read, and has to be read before it is
    /// opened: no copy is unchanged since it was read.
    ///
    /// - Parameter instance: `instance.id`.
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func takesLong(toOpen instance: Int64) throws(ArchiveError) -> Bool {
        try ArchiveError.from { try images.takesLong(toOpen: instance) }
    }

    /// The ordinal of the volume whose copy of an image was found good last, if that is known and
    /// the volume is there.
    ///
    /// - Parameter instance: `instance.id`.
    public func verifiedOrdinal(of instance: Int64) -> Int? { images.verifiedOrdinal(of: instance) }

    /// The ordinals of the volumes from which an image can be read, the best first.
    ///
    /// - Parameter instance: `instance.id`.
    /// - Throws: ``ArchiveError`` when the index cannot be read.
    public func readingOrder(of instance: Int64) throws(ArchiveError) -> [Int] {
        try ArchiveError.from { try images.readingOrder(of: instance) }
    }

    /// Whether the file that was opened is still there unchanged, on a volume that is there, and
    /// was read within a day, if it is not large.
    public func isCurrent(_ blob: VerifiedBlob) -> Bool { images.isCurrent(blob) }

    /// Whether an open file has the bytes of an image. Reads all of it.
    public func isGood(_ descriptor: Int32, as blob: VerifiedBlob) -> Bool {
        images.isGood(descriptor, as: blob)
    }

    /// Whether the volume that the file is on is still there.
    public func isThere(_ blob: VerifiedBlob) -> Bool { images.isThere(blob) }

    /// How many views show an image of a series.
    ///
    /// - Throws: The errors of the index.
    public func links(ofSeries series: Int64, _ reader: IndexReader) throws -> Int {
        let common = core.catalogue.commonLinks.load(ordering: .relaxed)
        return common > 0 ? common : try reader.links(ofSeries: series)
    }

    /// Opens the identity file of a volume, to find out what can be done with its files.
    ///
    /// - Returns: A descriptor that the caller closes.
    /// - Throws: ``ArchiveError`` when the volume does not give it.
    public func openIdentity() throws(ArchiveError) -> Int32 {
        try ArchiveError.from { try core.volumes.staging.openIdentity().release() }
    }
}
