import Glibc
import System

/// A complete file in `staging/commit`, about to become a blob.
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

    /// The end of the names of incomplete copies.
    static let partialSuffix = ".part"

    /// A name for an incomplete copy; no two are the same.
    static func partialName(_ digest: Digest) -> String {
        "\(digest.hex).\(UInt64.random(in: .min ... .max))\(partialSuffix)"
    }

    /// Copies a file to `staging/commit/<sha256>.dcm`, ready to become a blob. The copy shares the
    /// bytes with the source where the file system can. Write-back has begun when this returns;
    /// the bytes are durable after ``commit(_:replacing:)``. The name appears when the copy is
    /// complete.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file, which must not change meanwhile.
    ///   - digest: The SHA-256 of its bytes.
    ///   - bytes: Its size.
    ///   - checking: Hash the bytes on the way, and refuse them if they do not have this digest.
    ///   - disk: Where the source is, if that is known.
    /// - Throws: `noSpace` when there is no space above the reserve, `corrupt` when the size or,
    ///   with `checking`, the content differs. Nothing is left behind then.
    public func stageCopy(
        from source: Int32, as digest: Digest, bytes: Int64, checking: Bool = false,
        reading disk: DiskCalls? = nil
    ) throws(StorageError) {
        try onDisk(reading: disk) { [self] () throws(StorageError) in
            try copy(from: source, as: digest, bytes: bytes, checking: checking)
        }
    }

    private func copy(
        from source: Int32, as digest: Digest, bytes: Int64, checking: Bool
    ) throws(StorageError) {
        try requireSpace(for: bytes)
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
            // The first error is the one to report; recovery removes the remains.
            try? committing.remove(partial)
            throw error
        }
    }

    /// Gives a file in `staging/incoming` of this volume a second name
    /// `staging/commit/<sha256>.dcm`, without copying a byte. If the file system has no hard links,
    /// or the file is elsewhere, it is copied.
    ///
    /// From now on the file is the blob: the caller has made sure that nobody has it open for
    /// writing, and that a program that opens its old name for writing gets a copy.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file.
    ///   - digest: The SHA-256 of its bytes, which the caller has just computed.
    ///   - bytes: Its size.
    /// - Throws: As ``stageCopy(from:as:bytes:checking:)``.
    public func stageLink(
        from source: Int32, as digest: Digest, bytes: Int64, reading disk: DiskCalls? = nil
    ) throws(StorageError) {
        try onDisk(reading: disk) { [self] () throws(StorageError) in
            try link(from: source, as: digest, bytes: bytes)
        }
    }

    private func link(
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
        // A descriptor is linked by its name in /proc, see 'man 2 linkat'; the file itself may
        // be renamed by its client at any time. A temporary name first, because a link does not
        // tell apart what has the name already.
        do throws(StorageError) {
            try call({ .link($0, path) }) {
                linkat(
                    AT_FDCWD, "/proc/self/fd/\(source)", committing.number, partial,
                    AT_SYMLINK_FOLLOW)
            }
        } catch {
            if error.code == .noSpace { throw error }
            return try copy(from: source, as: digest, bytes: bytes, checking: false)
        }
        do throws(StorageError) {
            try takeStagedName(of: partial, digest, bytes: bytes)
        } catch {
            try? committing.remove(partial)
            throw error
        }
    }

    /// Makes a file of `staging/incoming` durable that stays there for now, with its name and the
    /// folders it is in. Others may have renamed those meanwhile: only a sync of the whole file
    /// system is sure to reach them.
    ///
    /// - Throws: `io` and `noSpace` from the file system.
    public func makeIncomingDurable(_ file: Int32) throws(StorageError) {
        try onDisk { [self] () throws(StorageError) in
            // Reports errors that a sync of everything ignores.
            try FileIO.syncData(file, path: incoming.path)
            try incoming.syncFileSystem()
        }
    }

    /// Gives a complete file its name in `staging/commit`. If another thread was faster, its file
    /// stays if it is good.
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

    /// Whether a file in `staging/commit` has the content that its name says. For recovery: after
    /// power loss a complete name may stand for incomplete bytes.
    ///
    /// - Throws: `notFound` when it is not there, `io` when it cannot be read.
    public func verifyStaged(_ staged: StagedBlob) throws(StorageError) -> Bool {
        let name = Self.stagedName(staged.digest)
        let path = committing.path(of: name)
        return try onDisk { [self] () throws(StorageError) in
            let file: Descriptor
            do throws(StorageError) { file = try committing.openFile(name) } catch {
                // Something else has its name.
                if error.code == .corrupt { return false }
                throw error
            }
            guard try file.facts(path: path).bytes == staged.bytes else { return false }
            return try file.digest(bytes: staged.bytes, path: path) == staged.digest
        }
    }
}
