import Glibc
import System

extension Volume {
    /// The path of a blob below the volume's folder: `blobs/ab/cd/<sha256>.dcm`.
    public func blobPath(_ digest: Digest) -> String {
        "\(Name.blobs)/\(Self.blobName(digest))"
    }

    /// The same below `blobs`.
    static func blobName(_ digest: Digest) -> String {
        let hex = digest.hex
        return "\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm"
    }

    /// Whether a blob is there, and is the file with this inode number.
    ///
    /// - Throws: `io` when the volume does not answer.
    public func hasBlob(_ digest: Digest, inode: UInt64) throws(StorageError) -> Bool {
        try blobs.facts(Self.blobName(digest))?.inode == inode
    }

    /// Opens a blob for reading. Its content is not checked.
    ///
    /// - Throws: `notFound` when the volume does not have it.
    public func openBlob(_ digest: Digest) throws(StorageError) -> Descriptor {
        try opening { [self] () throws(StorageError) in
            try blobs.openFile(Self.blobName(digest))
        }
    }

    /// Checks a blob by its inode alone: whether it is there and has the right size.
    ///
    /// - Parameter bytes: The size it must have.
    /// - Returns: `nil` when it is; its content was not read.
    /// - Throws: `io` when the volume does not answer.
    public func inodeFault(of digest: Digest, bytes: Int64) throws(StorageError) -> BlobFault? {
        let found = try onDisk { [self] () throws(StorageError) in
            try blobs.facts(Self.blobName(digest))
        }
        guard let facts = found else { return .missing }
        guard facts.isRegular else { return .unreadable("it is not a plain file") }
        return facts.bytes == bytes ? nil : .wrongSize(facts.bytes)
    }

    /// Reads a whole blob: whether its content has the SHA-256 that its name says.
    ///
    /// - Parameter bytes: The size it must have.
    /// - Returns: False when it has another size or another content.
    /// - Throws: `notFound` when the volume does not have it, `io` when it cannot be read.
    public func verifyBlob(_ digest: Digest, bytes: Int64) throws(StorageError) -> Bool {
        let path = path + "/" + blobPath(digest)
        return try onDisk { [self] () throws(StorageError) in
            let file = try openBlob(digest)
            guard try file.facts(path: path).bytes == bytes else { return false }
            return try file.digest(bytes: bytes, path: path) == digest
        }
    }

    /// Moves a damaged blob to `rejected/bad-blobs/<sha256>.<time>.dcm`, durably. It is never
    /// deleted: the remains of a damaged image may be all there is.
    ///
    /// - Returns: Its new path below the volume's folder.
    /// - Throws: `notFound` when the volume does not have it.
    @discardableResult
    public func setAside(
        _ digest: Digest, at time: Timestamp = .now()
    ) throws(StorageError) -> String {
        try onDisk { [self] () throws(StorageError) in
            let bad = try rejected.directory.openOrMakeDirectory(Name.badBlobs)
            let name = Self.badBlobName(digest, time)
            try blobs.renameWithoutReplacing(Self.blobName(digest), to: bad, name)
            try bad.sync()
            try openBlobFolder(digest).sync()
            return "\(Name.rejected)/\(Name.badBlobs)/\(name)"
        }
    }

    static func badBlobName(_ digest: Digest, _ time: Timestamp) -> String {
        // File systems that come from Windows allow no colons in names.
        "\(digest.hex).\(time.description.replacing(":", with: "")).dcm"
    }

    /// Opens the folder in which a blob is.
    func openBlobFolder(_ digest: Digest) throws(StorageError) -> Directory {
        try blobs.openDirectory(String(Self.blobName(digest).prefix(5)))
    }
}
