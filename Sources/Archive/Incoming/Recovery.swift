import DICOM
import Foundation
import Storage
import System
import TagIndex

/// What a start, or the return of a volume, does about the end of the last run, whatever that
/// was. It looks at what was in flight only: `staging/` of the volume. It may take long, and goes
/// on while the archive is in use.
///
/// - a file of `staging/commit` is archived if its bytes are whole, and dropped if not
/// - a file of `staging/incoming` that is archived already goes
/// - one whose writer never closed it is set aside: half an image must not pass for a whole
/// - one under a temporary name stays: its program may go on with it
/// - a zip archive stays, to be unpacked while the archive is in use: its members have checksums,
///   so that half of one does not pass for a whole
/// - so do files that somebody has moved there from `/rejected` (``ForcedFile``)
///
/// What lies in the `/incoming` that is shown is left alone: IncomingTree+Leftovers decides
/// the same there; ``AbandonedCommits`` sees to names in `staging/commit` that are left then.
public struct Recovery: Sendable {
    /// What the files are given to.
    let archive: Intake
    let volume: Volume
    var staging: StagingArea { StagingArea(volume: volume) }
    let pendingCommits: [PendingCommit]

    /// Looks at what is there. Nobody may be storing anything on the volume yet.
    init(archive: Intake, volume: Volume) throws {
        self.archive = archive
        self.volume = volume
        try volume.removePartialCopies()
        try volume.onDisk { () throws(StorageError) in
            Self.removeTemporaries(of: volume.incomingDescriptor)
        }
        pendingCommits = try volume.pendingCommits()
    }

    /// Looks at what waits on a volume in use, of which `/incoming` is no more.
    init(takingOverFrom volume: Volume, archive: Intake) {
        self.archive = archive
        self.volume = volume
        pendingCommits = []
    }

    /// What lies in `staging/incoming` of the volume.
    func incomingFiles() throws -> [IncomingFile] {
        try volume.onDisk { [volume] () throws(StorageError) in
            Result { try Self.incomingFiles(of: volume.incomingDescriptor) }
        }.get()
    }

    /// - Parameters:
    ///   - isStopping: Asked before each file.
    ///   - unfinished: Gets what is whole in `staging/commit` and could not be archived yet.
    func run(leaving unfinished: inout Set<Digest>, unless isStopping: () -> Bool) throws {
        let isShown = archive.observers.showsIncoming && archive.volumes.staging === volume
        let incoming = isShown ? [] : try incomingFiles()
        let isPending = finishCommits(
            incoming, isShown: isShown, leaving: &unfinished, unless: isStopping)
        if isShown { return }
        for file in incoming where !isPending.contains(file.inode) && !isStopping() {
            if archive.observers.isInUse(incoming: file.inode, on: staging) { continue }
            do { try settle(file) } catch {
                archive.log.error("\(file.shown) of incoming was left as it is: \(error)")
            }
        }
        try removeEmptyFolders()
    }

    func removeEmptyFolders() throws {
        try volume.onDisk { [volume] () throws(StorageError) in
            Result { try FolderWalk.removeEmptyFolders(below: volume.incomingDescriptor) }
        }.get()
    }

    struct IncomingFile: Sendable {
        var path: [UInt8]
        var inode: UInt64

        /// For a person.
        var shown: String { String(IngestSource.incoming(path).shown.dropFirst(9)) }
    }

    // MARK: staging/commit

    /// - Parameter isShown: Whether somebody else sees to what has a name in `/incoming`.
    /// - returns: the inodes of files that are whole, but could not be archived yet
    private func finishCommits(
        _ incoming: [IncomingFile], isShown: Bool, leaving unfinished: inout Set<Digest>,
        unless isStopping: () -> Bool
    ) -> Set<UInt64> {
        var waiting: Set<UInt64> = []
        for pending in pendingCommits where !isStopping() {
            do {
                if case .failed(let inode) = try finish(pending, incoming, isShown: isShown) {
                    unfinished.insert(pending.digest)
                    waiting.insert(inode)
                }
            } catch {
                unfinished.insert(pending.digest)
                archive.log.error(
                    "\(pending.digest.hex) in staging of \(volume.path) was left as it is: \(error)"
                )
                waiting.formUnion(incoming.map(\.inode))
            }
        }
        return waiting
    }

    /// What became of a name in `staging/commit`.
    enum Finish {
        /// It has gone.
        case gone
        /// It is left to those who show `/incoming`, where its file has another name.
        case left
        /// Its file, which has this inode, is whole, but could not be archived yet.
        case failed(inode: UInt64)
    }

    func finish(
        _ pending: PendingCommit, _ incoming: [IncomingFile] = [], isShown: Bool = false
    ) throws -> Finish {
        // The blob of an image that is recorded may be bad, and what is staged be meant to heal it:
        // it is taken in again then, as a duplicate.
        guard try !isDone(pending), let file = try wholeFile(pending) else {
            try drop(pending.digest) { try isDone($0) || wholeFile($0) == nil }
            return .gone
        }
        // Its other name is in /incoming.
        if isShown, try file.links > (volume.hasBlob(pending.digest, inode: file.inode) ? 2 : 1) {
            return .left
        }
        let path = incoming.first { $0.inode == file.inode }?.path
        let request = IngestRequest(
            file: IngestFile(file.descriptor, owner: file, disk: volume.calls),
            source: path.map { .incoming($0) } ?? .recovered(pending.digest),
            bytes: file.bytes, digest: pending.digest,
            staging: pending.stagedBytes != nil ? staging : nil)
        switch archive.ingestAndWait(request) {
        case .success(.refused): try drop(pending.digest) { _ in true }
        case .success: archive.log.notice("Finished archiving \(request.source).")
        case .failure: return .failed(inode: file.inode)
        }
        return .gone
    }

    /// Whether it is recorded, and what is staged is the blob.
    private func isDone(_ pending: PendingCommit) throws -> Bool {
        try isIndexed(pending.digest) && volume.isStagedBlob(pending.digest)
    }

    /// Takes a name out of `staging/commit`, unless a file with these bytes is on its way by now.
    ///
    /// - Parameter isUseless: Whether it goes, as it is then.
    private func drop(_ digest: Digest, if isUseless: (PendingCommit) throws -> Bool) throws {
        _ = try archive.whileIdle(digest) {
            guard let pending = try volume.pendingCommit(digest), try isUseless(pending) else {
                return
            }
            try volume.finish([digest])
        }
    }

    /// The staged file, or where that has become the blob by a rename the blob, when its bytes
    /// are what its name says.
    private func wholeFile(_ pending: PendingCommit) throws -> StagedFile? {
        if let bytes = pending.stagedBytes {
            guard try volume.verifyStaged(StagedBlob(digest: pending.digest, bytes: bytes)) else {
                return nil
            }
            return StagedFile(try volume.openPending(pending.digest).release())
        }
        guard let bytes = pending.blobBytes, try volume.verifyBlob(pending.digest, bytes: bytes)
        else { return nil }
        return StagedFile(try volume.openBlob(pending.digest).release())
    }

    // MARK: staging/incoming

    /// Removes what an earlier run had half made. It lies at the top.
    private static func removeTemporaries(of directory: Int32) {
        for name in (try? DirectoryEntry.names(in: directory)) ?? []
        where name.starts(with: ".pacsfs-".utf8) && DiskWork.goesOn() {
            _ = name.withCString { unlinkat(directory, $0, 0) }
        }
    }

    /// - Parameter directory: An open `staging/incoming`.
    static func incomingFiles(of directory: Int32) throws -> [IncomingFile] {
        var result: [IncomingFile] = []
        try FolderWalk.files(below: directory) { entry in
            if entry.name.starts(with: ".pacsfs-".utf8) { return }
            result.append(IncomingFile(path: entry.path, inode: UInt64(entry.status.st_ino)))
        }
        return result
    }

    /// Opens a file of `staging/incoming`.
    ///
    /// - Returns: `nil` when it is gone.
    func open(_ incoming: IncomingFile) -> StagedFile? {
        let file = try? volume.onDisk { [volume] () throws(StorageError) -> StagedFile? in
            try? StagedFile(at: volume.incomingDescriptor, incoming.path)
        }
        return file ?? nil
    }

    /// What decides what becomes of a file that is not on its way.
    func facts(of incoming: IncomingFile, _ file: StagedFile) -> IncomingFacts {
        var facts = IncomingFacts(
            path: incoming.path, settings: archive.settings, bytes: file.bytes,
            ending: .interrupted)
        facts.isForced = file.isForced
        facts.isZip = Archive.isZip(file.descriptor)
        facts.isImage = facts.isIgnored && Archive.isImage(file.descriptor)
        return facts
    }

    /// - Returns: `nil` for a file that no image can be: it is not hashed.
    func digest(of incoming: IncomingFile, _ file: StagedFile) throws -> Digest? {
        let (descriptor, bytes, path) = (file.descriptor, file.bytes, incoming.shown)
        return try volume.onDisk { () throws(StorageError) in
            if try Digest.isTooSparse(descriptor: descriptor, bytes: bytes, path: path) {
                return nil
            }
            return try Digest.of(descriptor: descriptor, bytes: bytes, path: path)
        }
    }

    /// Whether the bytes of a file are archived.
    func isIndexed(_ digest: Digest) throws -> Bool {
        try archive.index.read { try $0.instance(sha256: digest.bytes) } != nil
    }

    /// Does about a file of an earlier run what is to be done: it goes, is set aside, or waits in
    /// `/incoming` as that is shown now.
    func settle(_ incoming: IncomingFile) throws {
        guard let file = open(incoming) else { return }
        var facts = facts(of: incoming, file)
        switch IncomingDecision(facts) {
        case .wait: return
        case .discard: break
        case .archive:
            // To archive it may take long, and whether a zip archive is whole is seen then.
            let target = archive.volumes.staging
            return target === volume ? () : try move(incoming, to: target)
        case .setAside(let reason):
            // The header first: what is no image is not hashed.
            let decision = IncomingDecision.setAside(reason).refined(
                by: file.descriptor, archive.settings)
            let digest =
                decision == .setAside(IncomingDecision.interrupted)
                ? try digest(of: incoming, file) : nil
            if let digest { facts.isIndexed = try isIndexed(digest) }
            if let digest, IncomingDecision(facts) == .archive {
                // Archived before; it goes when that has been seen to be good.
                guard case .success = archive.ingestAndWait(request(for: incoming, file, digest))
                else { return }
            } else if case .setAside(let reason) = decision {
                try archive.rejected.reject(
                    RejectRequest(
                        file: IngestFile(file.descriptor, owner: file),
                        source: .incoming(incoming.path), reason: reason))
            }
        }
        try volume.onDisk { [volume] () throws(StorageError) in
            try? PathDescent.remove(incoming.path, below: volume.incomingDescriptor)
        }
    }

    private func request(
        for incoming: IncomingFile, _ file: StagedFile, _ digest: Digest
    ) -> IngestRequest {
        IngestRequest(
            file: IngestFile(file.descriptor, owner: file, disk: volume.calls),
            source: .incoming(incoming.path),
            bytes: file.bytes, digest: digest)
    }
}

/// An open file of a volume's `staging`.
final class StagedFile: Sendable {
    let descriptor: Int32
    let inode: UInt64
    let bytes: Int64
    /// How many names it has.
    let links: Int
    /// Whether somebody has moved it from `/rejected` to `/incoming` (``ForcedFile``).
    let isForced: Bool
    private let modified: timespec

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var status = stat()
        fstat(descriptor, &status)
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        links = Int(status.st_nlink)
        isForced = ForcedFile.isMarked(status.st_mode)
        modified = status.st_mtim
    }

    /// Whether size and time are what they were when it was opened.
    var isUnchanged: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && Int64(status.st_size) == bytes
            && status.st_mtim.tv_sec == modified.tv_sec
            && status.st_mtim.tv_nsec == modified.tv_nsec
    }

    /// Opens a regular file below an open directory.
    ///
    /// - Throws: The errors of `openat(2)`, and ``RegularFile/notRegular``.
    convenience init(at directory: Int32, _ path: [UInt8]) throws(Errno) {
        self.init(
            try PathDescent.with(path, below: directory) { (directory, path) throws(Errno) in
                try RegularFile.open(at: directory, path, O_RDONLY).release()
            })
    }

    deinit { close(descriptor) }
}
