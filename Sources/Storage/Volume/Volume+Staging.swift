import Glibc
import System

/// A complete file in `staging/commit` that is to become a blob.
public struct StagedBlob: Hashable, Sendable {
    /// The SHA-256 of its bytes.
    public var digest: Digest
    /// Its size in bytes.
    public var bytes: Int64

    public init(digest: Digest, bytes: Int64) {
        self.digest = digest
        self.bytes = bytes
    }
}

extension Volume {
    static func stagedName(_ digest: Digest) -> String { digest.hex + ".dcm" }

    /// Ends the names of copies that are not complete.
    static let partialSuffix = ".part"

    /// A name for a copy of a file that is not complete; no two are the same.
    static func partialName(_ digest: Digest) -> String {
        "\(digest.hex).\(UInt64.random(in: .min ... .max))\(partialSuffix)"
    }

    /// Copies a file to `staging/commit/<sha256>.dcm`, ready to become a blob. The copy shares its
    /// bytes with the source if the file system can do that. Writing to the disk has begun when
    /// this returns; the bytes are durable after ``commit(_:replacing:)``. The name appears when
    /// the copy is complete.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file, which must not change meanwhile.
    ///   - digest: The SHA-256 of its bytes.
    ///   - bytes: Its size.
    ///   - checking: Whether to hash the bytes on the way, and refuse them if they do not match.
    /// - Throws: `noSpace` when there is no free space above the reserve, `corrupt` when the size
    ///   or, with `checking`, the content does not match. No file is left then.
    public func stageCopy(
        from source: Int32, as digest: Digest, bytes: Int64, checking: Bool = false
    ) throws(StorageError) {
        try requireRoom(for: bytes)
        let partial = Self.partialName(digest)
        let path = committing.path(of: partial)
        let target = try committing.openFile(partial, O_RDWR | O_CREAT | O_EXCL, mode: 0o444)
        do throws(StorageError) {
            let found = try FileCopy.copy(
                from: source, to: target, bytes: bytes, hashing: checking, path: path)
            if let found, found != digest {
                throw StorageError(
                    .corrupt, "the copied bytes have the SHA-256 \(found), not \(digest)",
                    path: path, remedy: "The source changed or is damaged; take another copy")
            }
            try takeStagedName(of: partial, digest, bytes: bytes)
        } catch {
            // The first error is the one to report; recovery removes the rest.
            try? committing.remove(partial)
            throw error
        }
    }

    /// Gives a file in `staging/incoming` of this volume a second name
    /// `staging/commit/<sha256>.dcm`, without copying a byte. If the file system has no hard links,
    /// or the file is elsewhere, it is copied.
    ///
    /// From now on the file is the blob. The caller must make sure that no process has it open for
    /// writing, and that opening its old name for writing gives a copy.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file.
    ///   - digest: The SHA-256 of its bytes, which the caller has just computed.
    ///   - bytes: Its size.
    /// - Throws: As ``stageCopy(from:as:bytes:checking:)``.
    public func stageLink(
        from source: Int32, as digest: Digest, bytes: Int64
    ) throws(StorageError) {
        let path = committing.path(of: Self.stagedName(digest))
        let facts = try FileFacts.of(source, path: path)
        guard facts.isRegular, facts.bytes == bytes else {
            throw StorageError(
                .corrupt, "the file has \(facts.bytes) bytes, not \(bytes)", path: path,
                remedy: "It changed after it was hashed; hash it again")
        }
        let partial = Self.partialName(digest)
        // A descriptor is linked by its name in /proc, see 'man 2 linkat', because the client may
        // rename the file at any time. It gets a temporary name first, because a failed link does
        // not say which file has the name already.
        let linked = linkat(
            AT_FDCWD, "/proc/self/fd/\(source)", committing.number, partial, AT_SYMLINK_FOLLOW)
        guard linked == 0 else {
            if errno == ENOSPC { throw .link(errno, path) }
            return try stageCopy(from: source, as: digest, bytes: bytes)
        }
        do throws(StorageError) {
            try takeStagedName(of: partial, digest, bytes: bytes)
        } catch {
            try? committing.remove(partial)
            throw error
        }
    }

    /// The same for a path below `staging/incoming`; links on the way are not followed.
    public func stageLink(
        incoming relativePath: String, as digest: Digest, bytes: Int64
    ) throws(StorageError) {
        let file = try openIncoming(relativePath)
        try stageLink(from: file.number, as: digest, bytes: bytes)
    }

    /// Opens a file below `staging/incoming` for reading; links on the way are not followed.
    func openIncoming(_ relativePath: String) throws(StorageError) -> Descriptor {
        let parts = try RelativePath.components(relativePath)
        return try incoming.openFolder(parts.dropLast()).openFile(parts[parts.count - 1])
    }

    /// Makes a file of `staging/incoming` durable that stays there for now, with its name and
    /// the folders it is in; those may have been renamed by others meanwhile, so that only a
    /// sync of the whole file system is sure to reach them.
    public func makeIncomingDurable(_ file: Int32) throws(StorageError) {
        // Tells also of errors that a sync of everything passes over.
        try FileIO.syncData(file, path: incoming.path)
        try incoming.syncFileSystem()
    }

    /// Gives a complete file its name in `staging/commit`. When another thread was faster, its
    /// file stays if it is good.
    private func takeStagedName(
        of partial: String, _ digest: Digest, bytes: Int64
    ) throws(StorageError) {
        let name = Self.stagedName(digest)
        do {
            try committing.renameWithoutReplacing(partial, to: committing, name)
        } catch  where error.code == .alreadyExists {
            if try verifyStaged(StagedBlob(digest: digest, bytes: bytes)) {
                try committing.remove(partial)
            } else {
                try committing.rename(partial, to: committing, name)
            }
        }
    }

    /// Reads a file in `staging/commit` and says whether it matches its name. For recovery: after a
    /// power cut, a complete name may have incomplete bytes.
    public func verifyStaged(_ staged: StagedBlob) throws(StorageError) -> Bool {
        let name = Self.stagedName(staged.digest)
        let path = committing.path(of: name)
        let file = try committing.openFile(name)
        guard try file.facts(path: path).bytes == staged.bytes else { return false }
        return try file.digest(bytes: staged.bytes, path: path)
            == staged.digest
    }

    /// Refuses a file for which there is no free space above the reserve.
    ///
    /// - Throws: `noSpace`.
    public func requireRoom(for bytes: Int64) throws(StorageError) {
        let space = try space()
        if space.isReadOnly {
            throw StorageError(
                .readOnly, "the volume is mounted read-only", path: path,
                remedy: "See dmesg for why, check the file system, mount it again")
        }
        guard space.available - reserve >= bytes else {
            throw StorageError(
                .noSpace,
                "\(bytes) bytes do not fit: \(space.available) are free, \(reserve) are reserved",
                path: path, remedy: "Add a volume; pacsfs deletes nothing to make room")
        }
    }
}
