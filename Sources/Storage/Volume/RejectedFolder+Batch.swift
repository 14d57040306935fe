import Glibc
import System

/// A file on its way to `rejected`: it lies in `staging/commit` with its reason.
public struct StagedRejection: Sendable {
    fileprivate let file: String
    fileprivate let reason: String
    fileprivate let text: [UInt8]
    fileprivate let bytes: Int64
    fileprivate let digest: Digest
}

// Many files at once: each is staged, then all are made durable, get their names, and these are
// made durable too. A crash leaves what was staged, which recovery removes, or whole files.
extension RejectedFolder {
    /// Copies a file and its reason to `staging/commit`; not durable yet.
    ///
    /// - Parameters:
    ///   - source: An open descriptor of the file.
    ///   - digest: As ``Digest/ofRejected(descriptor:bytes:path:)`` gives it.
    ///   - access: Whose it is, and who may read it; that of the source when it is left out.
    ///   - disk: Where the source is, if that is known.
    /// - Throws: `noSpace` when there is no space above the reserve, `corrupt` when the file has
    ///   another digest by now, or the error of a system call.
    public func stage(
        copyOf source: Int32, bytes: Int64, digest: Digest, reason: String,
        access: FileAccess? = nil, reading disk: DiskCalls? = nil
    ) throws(StorageError) -> StagedRejection {
        try onDisk(reading: disk) { [self] () throws(StorageError) in
            try stage(source, bytes, digest, reason, access)
        }
    }

    private func stage(
        _ source: Int32, _ bytes: Int64, _ digest: Digest, _ reason: String, _ access: FileAccess?
    ) throws(StorageError) -> StagedRejection {
        let staged = StagedRejection(
            file: Self.rejectTemporary(), reason: Self.rejectTemporary(), text: Self.text(reason),
            bytes: bytes, digest: digest)
        do throws(StorageError) {
            try copy(source, staged, access)
            let path = staging.path(of: staged.reason)
            let file = try staging.openFile(staged.reason, O_WRONLY | O_CREAT | O_EXCL)
            try file.write(staged.text, at: 0, path: path)
            return staged
        } catch {
            remove(staged)
            throw error
        }
    }

    private func copy(
        _ source: Int32, _ staged: StagedRejection, _ access: FileAccess?
    ) throws(StorageError) {
        let path = staging.path(of: staged.file)
        let copy = try copy(source, to: staged.file, path: path, access)
        try Self.require(staged.digest, bytes: staged.bytes, of: copy, path: path)
    }

    /// Makes durable whatever was staged or got its name.
    ///
    /// - Throws: The error of `syncfs(2)`.
    public func sync() throws(StorageError) {
        try onDisk { [self] () throws(StorageError) in try staging.syncFileSystem() }
    }

    /// Gives a file that is staged, and durable, its name and that of its reason. The names are
    /// durable after ``sync()``.
    ///
    /// - Parameters:
    ///   - relativePath: The path it gets below `rejected/<date>`.
    ///   - time: Its date in UTC names the folder.
    /// - Returns: Its path below the volume's folder.
    /// - Throws: The error of a system call.
    public func place(
        _ staged: StagedRejection, at relativePath: String, _ time: Timestamp
    ) throws(StorageError) -> String {
        let parts = try RelativePath.components(relativePath)
        return try onDisk { [self] () throws(StorageError) in
            try place(staged, [time.date] + parts)
        }
    }

    private func place(
        _ staged: StagedRejection, _ parts: [String]
    ) throws(StorageError) -> String {
        let place = try destination(
            for: parts, bytes: staged.bytes, staged.digest, reason: staged.text,
            syncsFolders: false)
        let reasonName = place.name + Self.reasonSuffix
        if place.hasReason {
            try staging.rename(staged.reason, to: place.folder, reasonName)
        } else {
            try staging.renameWithoutReplacing(staged.reason, to: place.folder, reasonName)
        }
        if place.isThere {
            try staging.remove(staged.file)
        } else {
            try staging.renameWithoutReplacing(staged.file, to: place.folder, place.name)
        }
        return place.folderPath + "/" + place.name
    }

    /// Removes what was staged and has no name.
    public func discard(_ staged: StagedRejection) {
        try? onDisk { [self] () throws(StorageError) in remove(staged) }
    }

    private func remove(_ staged: StagedRejection) {
        try? staging.remove(staged.file)
        try? staging.remove(staged.reason)
    }
}
