import Glibc
import System

/// The file with a blob's name on a volume.
public enum BlobState: Hashable, Sendable {
    /// A file of the right size; its content was not looked at.
    case present
    /// Nothing.
    case missing
    /// A file of another size, in bytes, or something that is not a plain file (-1).
    case wrongSize(Int64)
}

extension Volume {
    /// Where a blob is, below the volume's folder: `blobs/ab/cd/<sha256>.dcm`.
    public func blobPath(_ digest: Digest) -> String {
        "\(Name.blobs)/\(Self.blobName(digest))"
    }

    /// The same below `blobs`.
    static func blobName(_ digest: Digest) -> String {
        let hex = digest.hex
        return "\(hex.prefix(2))/\(hex.dropFirst(2).prefix(2))/\(hex).dcm"
    }

    /// Opens a blob for reading. Its content is not checked.
    ///
    /// - Throws: `notFound` when the volume does not have it.
    public func openBlob(_ digest: Digest) throws(StorageError) -> Descriptor {
        try blobs.openFile(Self.blobName(digest))
    }

    /// Whether a blob is there and has the right size, from its inode alone.
    ///
    /// - Parameter bytes: The size it must have.
    public func blobState(_ digest: Digest, bytes: Int64) throws(StorageError) -> BlobState {
        guard let facts = try blobs.facts(Self.blobName(digest)) else { return .missing }
        guard facts.isRegular else { return .wrongSize(-1) }
        return facts.bytes == bytes ? .present : .wrongSize(facts.bytes)
    }

    /// Reads a whole blob and says whether its content matches its name.
    ///
    /// - Parameter bytes: The size it must have.
    /// - Returns: False when it has another size or another content.
    /// - Throws: `notFound` when the volume does not have it, `io` when it cannot be read.
    public func verifyBlob(_ digest: Digest, bytes: Int64) throws(StorageError) -> Bool {
        let path = path + "/" + blobPath(digest)
        let file = try openBlob(digest)
        guard try file.facts(path: path).bytes == bytes else { return false }
        return try file.digest(bytes: bytes, path: path) == digest
    }

    /// Moves a blob that was found damaged to `rejected/bad-blobs/<sha256>.<time>.dcm`, durably.
    /// It is never deleted: the rest of a damaged image may be the only one.
    ///
    /// - Returns: Where it is now, below the volume's folder.
    /// - Throws: `notFound` when the volume does not have it.
    @discardableResult
    public func setAside(
        _ digest: Digest, at time: Timestamp = .now()
    ) throws(StorageError) -> String {
        let bad = try rejected.openOrMakeDirectory(Name.badBlobs)
        let name = Self.badBlobName(digest, time)
        try blobs.renameWithoutReplacing(Self.blobName(digest), to: bad, name)
        try bad.sync()
        try openBlobFolder(digest).sync()
        return "\(Name.rejected)/\(Name.badBlobs)/\(name)"
    }

    static func badBlobName(_ digest: Digest, _ time: Timestamp) -> String {
        // File systems that come from Windows do not allow colons in names.
        "\(digest.hex).\(time.description.replacing(":", with: "")).dcm"
    }

    /// Opens the folder in which a blob is.
    func openBlobFolder(_ digest: Digest) throws(StorageError) -> Directory {
        try blobs.openDirectory(String(Self.blobName(digest).prefix(5)))
    }
}
