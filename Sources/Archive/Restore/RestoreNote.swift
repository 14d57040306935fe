import Foundation
import Storage
import System

/// What a restore is to bring back, or has: `ARCHIVE/restore.json`. With it the same command goes
/// on after an interruption.
struct RestoreNote: Codable, Equatable {
    /// The archive's id.
    var archive: String
    /// The folder that everything comes from.
    var folder: String?
    /// The remote that it comes from, whose keys are in `ARCHIVE/offsite`.
    var remote: String?
    /// The directories of the new volumes.
    var volumes: [String]
    var copies: Int
    /// Whether the archive can be opened: ledger, index and volumes are there.
    var isPrepared = false
    /// Whether every image is there.
    var isDone = false

    static let name = "restore.json"
    /// A folder for what is only needed until the archive can be opened.
    static let scratchName = "restore.scratch"

    /// The note of an archive; `nil` when it was not made by a restore.
    ///
    /// - Throws: ``ArchiveError`` when it cannot be read.
    static func of(_ archive: String) throws(ArchiveError) -> RestoreNote? {
        let path = "\(archive)/\(name)"
        guard access(path, F_OK) == 0 else { return nil }
        if RegularFile.isTaken(path) { throw ArchiveError(notAPlainFile: path) }
        return try ArchiveError.from {
            try JSONDecoder().decode(
                RestoreNote.self, from: Data(try RegularFile.content(of: path)))
        }
    }

    static func remove(from archive: String) { unlink("\(archive)/\(name)") }

    /// Where everything comes from.
    ///
    /// - Throws: ``ArchiveError`` when the keys of the remote are not there.
    func origin(in path: String) throws(ArchiveError) -> RestoreOrigin {
        guard let remote else { return .folder(folder ?? "") }
        return .remote(try RemoteSecrets(remote, of: path))
    }

    /// Notes where everything comes from; the keys of a remote are kept durably.
    mutating func take(_ origin: RestoreOrigin, in path: String) throws(ArchiveError) {
        switch origin {
        case .folder(let path): (folder, remote) = (path, nil)
        case .remote(let secrets):
            (folder, remote) = (nil, secrets.name)
            // They come from the sheet, so that there is one.
            var secrets = secrets
            secrets.sheet = secrets.sheet ?? .now()
            try secrets.write(in: path)
        }
    }

    func write(to archive: String) throws {
        try ReplacedFile.write(JSONEncoder().encode(self), to: Self.name, in: archive)
    }
}
