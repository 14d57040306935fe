import Foundation
import Storage
import System

/// What a restore is to bring back, or has: `ARCHIVE/restore.json`. With it the same command goes
/// on after an interruption.
struct RestoreNote: Codable, Equatable {
    /// The archive's id.
    var archive: String
    /// The folder that everything comes from.
    var source: String
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

    func write(to archive: String) throws {
        try ReplacedFile.write(JSONEncoder().encode(self), to: Self.name, in: archive)
    }
}
