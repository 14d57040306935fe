import Foundation
import Glibc
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
            do throws(OffsiteError) {
                if case .archive(let marker) = try access.contents() { return marker.archive }
            } catch {
                if error.code == .unreachable { throw error }
                if let marker = Self.firstMarker(access) { return marker.archive }
                throw error
            }
            // Somebody may have deleted everything.
            if let marker = Self.firstMarker(access) { return marker.archive }
            throw ArchiveError(
                .notFound, "There is no archive on \(name): it is empty.",
                remedy: "Look at its path on the recovery sheet, bucket and folder included.")
        }
    }

    /// `nil` also when the server keeps no versions.
    private static func firstMarker(_ access: RemoteAccess) -> OffsiteMarker? {
        guard access.mayHaveVersions, let versions = try? access.versions() else { return nil }
        return (try? access.firstMarker(in: versions)) ?? nil
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
    ///   - progress: Called about every second while it is fetched.
    /// - Throws: As ``VerifiedLedger/init(in:archive:noted:scratch:)``.
    func ledger(
        of archive: String, noted: Verification.Head?, scratch: String,
        isWanted: @escaping () -> Bool = { true },
        progress: (TransferProgress) -> Void = { _ in }
    ) throws -> VerifiedLedger {
        func verified(_ path: String, _ scratch: String) throws -> VerifiedLedger {
            try VerifiedLedger(in: path, archive: archive, noted: noted, scratch: scratch)
        }
        switch self {
        case .folder(let folder): return try verified(folder, scratch)
        case .remote(let secrets):
            let access = try RemoteAccess(secrets.configuration(), Rclone())
            let path = scratch + "/fetched"
            let now = Result {
                try access.bring(
                    folder: OffsiteLayout.ledger, to: path, isWanted: isWanted,
                    progress: progress)
                return try verified(path, scratch)
            }
            // Where versions are kept, what was changed or deleted since is there as it was
            // written. The ledger that goes further counts: its chain was verified, too.
            let other = scratch + "/first"
            guard access.mayHaveVersions, let versions = try? access.versions(),
                try access.bringFirstVersions(
                    below: OffsiteLayout.ledger, in: versions, to: other + "/versions")
            else { return try now.get() }
            try Self.lay(other + "/versions", over: path, into: other + "/fetched")
            let first = Result { try verified(other + "/fetched", other) }
            switch (now, first) {
            case (.success(let now), .success(let first)):
                return first.summary.records > now.summary.records ? first : now
            case (.failure, .success(let first)): return first
            case (_, .failure): return try now.get()
            }
        }
    }

    /// Makes a folder of the files of two, with those of the first in the place of others.
    private static func lay(_ first: String, over second: String, into target: String) throws {
        for folder in [second, first] {
            for name in FolderStore(folder).names(below: ".") {
                let (source, place) = ("\(folder)/\(name)", "\(target)/\(name)")
                var isFolder: ObjCBool = false
                guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder),
                    !isFolder.boolValue
                else { continue }
                try FileManager.default.createDirectory(
                    atPath: URL(filePath: place).deletingLastPathComponent().path,
                    withIntermediateDirectories: true)
                unlink(place)
                try FileManager.default.copyItem(atPath: source, toPath: place)
            }
        }
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
