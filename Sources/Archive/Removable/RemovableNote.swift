import Foundation
import Storage
import System

/// What is known of a removable volume while it is away, kept in `removable.json` of the archive's
/// directory. The ledger does not count on such volumes, and knows none.
struct RemovableNote: Codable, Equatable, Sendable {
    /// Its UUID, by which it is recognised wherever it is mounted.
    var id: String
    /// Where it was last.
    var path: String
    /// When it last had everything; `nil` before the first time.
    var complete: Timestamp?
    /// How many files the archive had then.
    var images: Int64 = 0
    /// How many records the ledger had then.
    var records: Int64?
    /// Since when it is one.
    var added: Timestamp?
    /// Its ordinal, which no ordinary volume has.
    var ordinal: Int?
    /// Since when every image on it has been read and hashed.
    var read: Timestamp?
    /// When the reading began that is under way, and the `instance.id` up to which it is.
    var readBegan: Timestamp?
    var readThrough: Int64?
    /// Copies that were bad, and were made anew.
    var bad: Int64?

    private static let name = "removable.json"

    /// - Parameter archive: The archive's directory.
    static func all(of archive: String) -> [RemovableNote] {
        (try? RegularFile.content(of: archive + "/" + name)).flatMap {
            try? JSONDecoder().decode([RemovableNote].self, from: Data($0))
        } ?? []
    }

    /// - Throws: The errors of writing them.
    static func keep(_ notes: [RemovableNote], in archive: String) throws {
        try ReplacedFile.write(JSONEncoder().encode(notes), to: name, in: archive)
    }
}
