import GRDB
import Naming

/// A search that stays listed in `/search`.
public struct KeptSearch: Equatable, Sendable {
    /// `search.id`; never given twice.
    public var id: Int64
    /// What is looked for, as whoever keeps it wrote it.
    public var words: String
    /// Since when it is kept, ns since 1970.
    public var since: Int64
}

extension IndexReader {
    private static let searchColumns = "SELECT id, words, since FROM search"

    private func search(_ row: Row) -> KeptSearch {
        KeptSearch(id: row[0], words: row[1], since: row[2])
    }

    /// Those that are kept, in the order in which they came.
    public func keptSearches() throws -> [KeptSearch] {
        try Row.fetchAll(db.cachedStatement(sql: Self.searchColumns + " ORDER BY id")).map(search)
    }

    /// The kept search whose words differ from these in case at most.
    public func keptSearch(_ words: String) throws -> KeptSearch? {
        try Row.fetchOne(
            db.cachedStatement(sql: Self.searchColumns + " WHERE folded = ?"),
            arguments: [PortableName.folded(words)]
        ).map(search)
    }

    public func keptSearch(_ id: Int64) throws -> KeptSearch? {
        try Row.fetchOne(
            db.cachedStatement(sql: Self.searchColumns + " WHERE id = ?"), arguments: [id]
        ).map(search)
    }
}

extension IndexWriter {
    /// Keeps a search; one that is kept already stays as it is.
    ///
    /// - parameter time: ns since 1970
    public func keepSearch(_ words: String, at time: Int64) throws {
        guard try reader.keptSearch(words) == nil else { return }
        try db.execute(
            sql: "INSERT INTO search(words, folded, since) VALUES (?, ?, ?)",
            arguments: [words, PortableName.folded(words), time])
    }

    /// Forgets a search, if it is kept.
    public func forgetSearch(_ words: String) throws {
        try db.execute(
            sql: "DELETE FROM search WHERE folded = ?", arguments: [PortableName.folded(words)])
    }

    /// Gives a search other words, if it is kept; its number stays. Another that has those words
    /// goes.
    public func renameSearch(_ words: String, to new: String) throws {
        try db.execute(
            sql: "UPDATE OR REPLACE search SET words = ?, folded = ? WHERE folded = ?",
            arguments: [new, PortableName.folded(new), PortableName.folded(words)])
    }
}
