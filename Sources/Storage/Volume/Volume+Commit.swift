import Glibc
import System

// How a file becomes a blob
// =========================
//
// For each volume that gets a copy, in this order; the caller does steps 1, 4 and 5 in between:
//
//  1. stage    staging/commit/<sha256>.dcm is made, by copy or by link. A copy has another name
//              (*.part) until it is complete.
//  2. commit   the bytes of all staged files are made durable (fdatasync each, or one syncfs
//              for a batch), mode 0444;
//  3.          each gets its second name blobs/ab/cd/<sha256>.dcm by a hard link, and every
//              folder that changed is made durable, new ones in their parents too.
//  4. ledger   the caller appends the record and makes it durable. Now it is safe.
//  5. finish   the name in staging/commit is removed; nobody waits for the disk.
//
// So a name in staging/commit means: "this file may not be in the ledger". Recovery reads
// pendingCommits() and finishes each of them:
//
//   crash          staging/commit     blobs      recovery
//   in 1           *.part             -          removePartialCopies(); the source is still in
//                                                /incoming, or is imported again
//   after 1, in 2  bytes perhaps bad  -          verifyStaged() false: finish() drops the copy,
//                                                the source is as above
//                  good               -          verifyStaged() true: commit, ledger, finish
//   in 3           good               perhaps    the same; commit finds its own link and goes on
//   after 3        good               good       the same; commit only makes folders durable
//   after 4        good               good       the ledger has the record: finish()
//   after 5        -, or back again   good       the ledger has the record: finish()
//
// A sync that fails leaves a staged file whose bytes are in memory and may never reach the disk.
// The file is remembered, and before its next commit its bytes are written to another file. The
// same is done with a file that an earlier process left in staging/commit.
//
// A blob never has its name before its bytes are durable: whatever the crash, a name below
// blobs/ stands for whole content. After power loss, a file system that does not keep the order
// of changes to folders (ext4, XFS and Btrfs do) could show the blob and not the name in
// staging/commit. Then there is a good blob without a record. No close() has returned for it; its
// source is still there and is committed again: commit finds the blob and reports alreadyPresent.
//
// File systems without hard links (exFAT): step 3 first makes an empty file
// staging/commit/<sha256>.pending durable, then renames the staged file to its blob name. The
// .pending file has the meaning of the name in staging/commit, and is removed in step 5.

/// The outcome of committing one file.
public enum CommitOutcome: Hashable, Sendable {
    /// The file is a blob now.
    case stored
    /// There was a blob of this name and size, which stays; the staged file was not used. A caller
    /// that relies on the blob verifies it first.
    case alreadyPresent
    /// There is a file of this name with another size, which stays: set it aside, or commit again
    /// with the digest in `replacing`.
    case blocked(bytes: Int64)
}

/// A file that a crash may have left between staging and ledger.
public struct PendingCommit: Hashable, Sendable {
    /// Its digest, if its bytes are good.
    public var digest: Digest
    /// The size of the staged file; `nil` when only the blob is there.
    public var stagedBytes: Int64?
    /// The size of the blob; `nil` when there is none.
    public var blobBytes: Int64?
}

extension Volume {
    /// For so many files or more, one `syncfs` is cheaper than one sync for each file and folder.
    static let wholeSyncThreshold = 16
    static let pendingSuffix = ".pending"

    /// Makes staged files durable as blobs. May be called again with the same files, for
    /// instance after an error or a crash.
    ///
    /// - Parameters:
    ///   - batch: Files in `staging/commit`; a digest that appears twice counts once.
    ///   - replacing: Digests whose blob, if there is one, is known to be bad: the old file is
    ///     set aside in `rejected/bad-blobs` and the staged one takes its place in one step.
    /// - Returns: The outcome of each file of `batch`, in its order.
    /// - Throws: `notFound` when a file is neither staged nor a blob, `corrupt` when the staged
    ///   file has the wrong size, `io` and `noSpace` from the file system. Some files of the batch
    ///   may be blobs then.
    public func commit(
        _ batch: [StagedBlob], replacing: Set<Digest> = []
    ) throws(StorageError) -> [CommitOutcome] {
        try onDisk { [self] () throws(StorageError) in try commitNow(batch, replacing) }
    }

    private func commitNow(
        _ batch: [StagedBlob], _ replacing: Set<Digest>
    ) throws(StorageError) -> [CommitOutcome] {
        let whole = batch.count >= Self.wholeSyncThreshold
        for staged in batch { try makeStagedDurable(staged, syncing: !whole) }
        if whole || !blobFolders.withLock({ $0.oldOnesAreDurable }) {
            do throws(StorageError) {
                try committing.syncFileSystem()
            } catch {
                distrusted.withLock { $0.formUnion(batch.map(\.digest)) }
                throw error
            }
            blobFolders.withLock { $0.oldOnesAreDurable = true }
        }

        var outcomes: [CommitOutcome] = []
        outcomes.reserveCapacity(batch.count)
        var folders: Set<UInt16> = []
        for staged in batch {
            let folder = staged.digest.firstTwoBytes
            if folders.insert(folder).inserted { try makeBlobFolder(folder) }
            outcomes.append(
                try giveBlobName(staged, replacing: replacing.contains(staged.digest)))
        }
        if whole {
            let fresh = freshFolders(among: folders)
            try committing.syncFileSystem()
            areDurable(fresh)
        } else {
            try makeNamesDurable(in: folders)
        }
        return outcomes
    }

    /// Removes the names of staged files whose ledger record is durable, or whose bytes are bad.
    /// The removal is not made durable: a name that comes back after power loss is finished again.
    ///
    /// What was linked from `/incoming` is its writer's until then, who may have to go on with it
    /// when it could not be archived.
    ///
    /// - Throws: `io` and `readOnly` from the file system.
    public func finish(_ digests: some Sequence<Digest>) throws(StorageError) {
        let digests = Array(digests)
        try onDisk { [self] () throws(StorageError) in
            for digest in digests {
                try makeOurs(digest)
                try committing.remove(Self.stagedName(digest))
                if !hasHardLinks { try committing.remove(digest.hex + Self.pendingSuffix) }
            }
        }
    }

    /// Takes a file from its writer. The owner is a protection, not a promise.
    private func makeOurs(_ digest: Digest) throws(StorageError) {
        let name = Self.stagedName(digest)
        guard let facts = try committing.facts(name), facts.isRegular, facts.owner != geteuid()
        else { return }
        let file = try committing.openFile(name)
        _ = fchown(file.number, geteuid(), getegid())
    }

    /// The files that may be staged or blobs without being in the ledger; see the table above.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func pendingCommits() throws(StorageError) -> [PendingCommit] {
        try onDisk { [self] () throws(StorageError) in try listPendingCommits() }
    }

    private func listPendingCommits() throws(StorageError) -> [PendingCommit] {
        var pending: [Digest: PendingCommit] = [:]
        for name in try committing.entries() {
            guard let digest = Self.staged(name) else { continue }
            // The process that left it may have failed to write its bytes.
            distrusted.withLock { _ = $0.insert(digest) }
            if name.hasSuffix(Self.pendingSuffix) { setNoHardLinks() }
            pending[digest] = try facts(ofPending: digest)
        }
        return pending.values.sorted { $0.digest < $1.digest }
    }

    private func facts(ofPending digest: Digest) throws(StorageError) -> PendingCommit {
        PendingCommit(
            digest: digest, stagedBytes: try committing.facts(Self.stagedName(digest))?.bytes,
            blobBytes: try blobs.facts(Self.blobName(digest))?.bytes)
    }

    /// One of them as it is now; `nil` when it is none any more.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func pendingCommit(_ digest: Digest) throws(StorageError) -> PendingCommit? {
        try isStaged(digest) ? try facts(ofPending: digest) : nil
    }

    /// Removes incomplete copies. Only when nobody is staging: at start.
    ///
    /// - Returns: Their number.
    /// - Throws: `io` and `readOnly` from the file system.
    @discardableResult
    public func removePartialCopies() throws(StorageError) -> Int {
        try onDisk { [self] () throws(StorageError) in
            let names = try committing.entries().filter { $0.hasSuffix(Self.partialSuffix) }
            for name in names { try committing.remove(name) }
            return names.count
        }
    }

    // MARK: Step 2

    private func makeStagedDurable(_ staged: StagedBlob, syncing: Bool) throws(StorageError) {
        let path = committing.path(of: Self.stagedName(staged.digest))
        if distrusted.withLock({ $0.contains(staged.digest) }) { try writeAgain(staged) }
        guard let file = try openStaged(staged) else { return }
        let facts = try file.facts(path: path)
        guard facts.isRegular, facts.bytes == staged.bytes else {
            throw StorageError(
                .corrupt, "the staged file has \(facts.bytes) bytes, not \(staged.bytes)",
                path: path, remedy: "Stage it again from its source")
        }
        if facts.mode != 0o444 {
            do {
                try call({ .setMode($0, path) }) { fchmod(file.number, 0o444) }
            } catch  where error.meansNoModes {
                // A file system without modes; the mode is a protection, not a promise.
            }
        }
        guard syncing else { return }
        do throws(StorageError) {
            try file.writeOut(bytes: staged.bytes, path: path)
            if facts.mode == 0o444 {
                try file.syncData(path: path)
            } else {
                try file.syncAll(path: path)
            }
        } catch {
            distrusted.withLock { _ = $0.insert(staged.digest) }
            throw error
        }
    }

    /// Writes the bytes of a staged file to another file that takes its place.
    ///
    /// Linux reports once that bytes could not be written, and treats them as written from then
    /// on: a further sync succeeds and means nothing, while reading still finds the bytes in
    /// memory. See: 'man 2 fsync', ERRORS, and https://lwn.net/Articles/752063/.
    private func writeAgain(_ staged: StagedBlob) throws(StorageError) {
        let name = Self.stagedName(staged.digest)
        let path = committing.path(of: name)
        guard let old = try openStaged(staged) else { return }
        // A blob got its name after its bytes were synced.
        if let blob = try blobs.facts(Self.blobName(staged.digest)),
            blob.isSameFile(as: try old.facts(path: path))
        {
            return
        }
        let partial = Self.partialName(staged.digest)
        do throws(StorageError) {
            let new = try committing.openFile(partial, O_RDWR | O_CREAT | O_EXCL, mode: 0o444)
            let found = try FileCopy.copy(
                from: old.number, to: new, bytes: staged.bytes, hashing: true, path: path)
            guard found == staged.digest else {
                throw StorageError(
                    .corrupt, "the staged file could not be written and is damaged", path: path,
                    remedy: "Stage it again from its source, and check the disk with smartctl")
            }
            try committing.rename(partial, to: committing, name)
        } catch {
            try? committing.remove(partial)
            throw error
        }
        distrusted.withLock { _ = $0.remove(staged.digest) }
    }

    /// - Returns: `nil` when the file has only its blob name: an earlier commit renamed it, on a
    ///   file system without hard links.
    private func openStaged(_ staged: StagedBlob) throws(StorageError) -> Descriptor? {
        do {
            return try committing.openFile(Self.stagedName(staged.digest))
        } catch  where error.code == .notFound {
            guard try inodeFault(of: staged.digest, bytes: staged.bytes) == nil,
                try committing.facts(staged.digest.hex + Self.pendingSuffix) != nil
            else { throw error }
            return nil
        }
    }

    // MARK: Step 3

    private func giveBlobName(
        _ staged: StagedBlob, replacing: Bool
    ) throws(StorageError) -> CommitOutcome {
        let name = Self.stagedName(staged.digest)
        let blob = Self.blobName(staged.digest)
        guard let old = try blobs.facts(blob) else {
            do throws(StorageError) {
                try giveFreeName(staged.digest)
                return .stored
            } catch  where error.code == .alreadyExists {
                // Another thread was faster, with the same file or with another copy.
                return try giveBlobName(staged, replacing: replacing)
            }
        }
        guard let new = try committing.facts(name), !new.isSameFile(as: old) else {
            return .stored
        }
        if replacing {
            try replaceBlob(staged.digest)
            return .stored
        }
        return old.isRegular && old.bytes == staged.bytes
            ? .alreadyPresent : .blocked(bytes: old.bytes)
    }

    private func giveFreeName(_ digest: Digest) throws(StorageError) {
        let (name, blob) = (Self.stagedName(digest), Self.blobName(digest))
        if hasHardLinks {
            do {
                return try committing.link(name, to: blobs, blob)
            } catch  where error.meansNoHardLinks {
                setNoHardLinks()
            }
        }
        try markPending(digest)
        try committing.renameWithoutReplacing(name, to: blobs, blob)
    }

    /// Puts the staged file in the place of a bad blob. A reader that opens the blob meanwhile gets
    /// one of the two.
    private func replaceBlob(_ digest: Digest) throws(StorageError) {
        let bad = try rejected.directory.openOrMakeDirectory(Name.badBlobs)
        let blob = Self.blobName(digest)
        let aside = Self.badBlobName(digest, .now())
        guard hasHardLinks else {
            try markPending(digest)
            try blobs.renameWithoutReplacing(blob, to: bad, aside)
            try bad.sync()
            return try committing.renameWithoutReplacing(
                Self.stagedName(digest), to: blobs, blob)
        }
        let second = Self.partialName(digest)
        do {
            try blobs.link(blob, to: bad, aside)
            try committing.link(Self.stagedName(digest), to: committing, second)
        } catch  where error.meansNoHardLinks {
            setNoHardLinks()
            return try replaceBlob(digest)
        }
        try bad.sync()
        try committing.rename(second, to: blobs, blob)
    }

    /// On file systems without hard links: marks durably that a blob may not be in the ledger.
    private func markPending(_ digest: Digest) throws(StorageError) {
        _ = try committing.openFile(digest.hex + Self.pendingSuffix, O_WRONLY | O_CREAT)
        try committing.sync()
    }

    // MARK: Folders

    private static func folderNames(_ folder: UInt16) -> (outer: String, inner: String) {
        func hex(_ byte: UInt8) -> String {
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        let outer = hex(UInt8(folder >> 8))
        return (outer, outer + "/" + hex(UInt8(folder & 255)))
    }

    private func makeBlobFolder(_ folder: UInt16) throws(StorageError) {
        let names = Self.folderNames(folder)
        if try blobs.facts(names.inner) != nil { return }
        // Noted before it is made, so that a thread that finds it there knows that it is fresh.
        let isOuterFresh = try blobs.facts(names.outer) == nil
        blobFolders.withLock { folders in
            folders.fresh.insert(folder)
            if isOuterFresh { folders.freshOuter.insert(UInt8(folder >> 8)) }
        }
        try blobs.makeDirectory(names.outer)
        try blobs.makeDirectory(names.inner)
    }

    /// Those of some folders, and of the folders they are in, whose own names are not durable.
    private func freshFolders(among folders: Set<UInt16>) -> (inner: Set<UInt16>, outer: Set<UInt8>)
    {
        blobFolders.withLock { known in
            let outer = Set(folders.map { UInt8($0 >> 8) })
            return (folders.intersection(known.fresh), outer.intersection(known.freshOuter))
        }
    }

    private func areDurable(_ folders: (inner: Set<UInt16>, outer: Set<UInt8>)) {
        blobFolders.withLock { known in
            known.fresh.subtract(folders.inner)
            known.freshOuter.subtract(folders.outer)
        }
    }

    /// Makes the names in some folders durable, and the names of those that are fresh.
    private func makeNamesDurable(in folders: Set<UInt16>) throws(StorageError) {
        let fresh = freshFolders(among: folders)
        for folder in folders {
            try blobs.openDirectory(Self.folderNames(folder).inner).sync()
        }
        for outer in Set(fresh.inner.map { $0 & 0xFF00 }) {
            try blobs.openDirectory(Self.folderNames(outer).outer).sync()
        }
        if !fresh.outer.isEmpty { try blobs.sync() }
        areDurable(fresh)
    }
}
