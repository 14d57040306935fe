import Offsite
import Storage
import TagIndex

/// From where an archive is brought back.
public enum RestoreOrigin: Hashable, Sendable {
    /// A volume, or a folder that was fetched from an off-site copy by hand; absolute.
    case folder(String)
    /// A remote, with the keys that the recovery sheet has.
    case remote(RemoteSecrets)

    /// For messages.
    var name: String {
        switch self {
        case .folder(let path): path
        case .remote(let secrets): "the remote \"\(secrets.name)\""
        }
    }

    /// The folder that it is, if it is one.
    var path: String? { if case .folder(let path) = self { path } else { nil } }

    /// The id of the archive that is there.
    ///
    /// - Throws: `OffsiteError` with code `wrongKeys` when a remote is not empty and the keys show
    ///   nothing of it; ``ArchiveError`` when there is no archive.
    func archive() throws -> String {
        switch self {
        case .folder(let path): return try FolderStore.archive(of: path)
        case .remote(let secrets):
            let access = try RemoteAccess(secrets.configuration(), Rclone())
            guard case .archive(let marker) = try access.contents() else {
                throw ArchiveError(
                    .notFound, "There is no archive on \(name): it is empty.",
                    remedy:
                        "Look at its path on the recovery sheet, bucket and folder included.")
            }
            return marker.archive
        }
    }

    /// Where objects can be had.
    ///
    /// - Parameter scratch: A folder for what is fetched.
    /// - Throws: `OffsiteError` when rclone is missing.
    func store(scratch: String) throws -> any ObjectStore {
        switch self {
        case .folder(let path): FolderStore(path)
        case .remote(let secrets):
            RemoteStore(try RemoteAccess(secrets.configuration(), Rclone()), scratch: scratch)
        }
    }

    /// The ledger that is there, brought here if necessary and verified.
    ///
    /// - Parameters:
    ///   - noted: A head that a person has kept; the ledger must have that record.
    ///   - scratch: A folder for the ledger.
    ///   - isWanted: Asked every second while it is fetched.
    /// - Throws: As ``VerifiedLedger/init(in:archive:noted:scratch:)``.
    func ledger(
        of archive: String, noted: Verification.Head?, scratch: String,
        isWanted: @escaping () -> Bool = { true }
    ) throws -> VerifiedLedger {
        var path = scratch
        switch self {
        case .folder(let folder): path = folder
        case .remote(let secrets):
            path = scratch + "/fetched"
            try RemoteAccess(secrets.configuration(), Rclone())
                .bring(folder: OffsiteLayout.ledger, to: path, isWanted: isWanted)
        }
        return try VerifiedLedger(in: path, archive: archive, noted: noted, scratch: scratch)
    }

    /// Images and rejected files that are there.
    ///
    /// - Parameters:
    ///   - index: Made from the ledger.
    ///   - scratch: A folder for what is fetched.
    /// - Throws: `OffsiteError` when rclone is missing.
    func source(_ index: TagIndex, scratch: String) throws -> ObjectSource {
        var remote: String?
        // A location that was typed has a name that the ledger may not know.
        if case .remote(let secrets) = self,
            try index.read({ try $0.remotes() }).contains(where: { $0.name == secrets.name })
        {
            remote = secrets.name
        }
        return ObjectSource(
            try store(scratch: scratch), name: name, index, onRemote: remote, scratch: scratch)
    }
}
