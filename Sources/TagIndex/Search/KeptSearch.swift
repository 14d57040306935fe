import GRDB
import Naming

/// A search that is kept: `/search` lists it.
public struct KeptSearch: Equatable, Sendable {
    /// `search.id`; never given twice.
    public var id: Int64
    /// The words, as the user wrote them.
    public var words: String
    /// When it was kept first, ns since 1970.
    public var since: Int64
}

extension IndexReader {
    private static let searchColumns = "SELECT id, words, since FROM search"

    private func search(_ row: Row) -> KeptSearch {
        KeptSearch(id: row[0], words: row[1], since: row[2])
    }

    /// All kept searches, in the order in which they were kept.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func keptSearches() throws -> [KeptSearch] {
        try Row.fetchAll(db.cachedStatement(sql: Self.searchColumns + " ORDER BY id")).map(search)
    }

    /// The kept search with these words, ignoring case; `nil` when there is none.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func keptSearch(_ words: String) throws -> KeptSearch? {
        try Row.fetchOne(
            db.cachedStatement(sql: Self.searchColumns + " WHERE folded = ?"),
            arguments: [PortableName.folded(words)]
        ).map(search)
    }

    /// The kept search with this `search.id`; `nil` when there is none.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func keptSearch(_ id: Int64) throws -> KeptSearch? {
        try Row.fetchOne(
            db.cachedStatement(sql: Self.searchColumns + " WHERE id = ?"), arguments: [id]
        ).map(search)
    }
}

extension IndexWriter {
    /// Keeps a search. If it is kept already, nothing changes.
    ///
    /// - Parameters:
    ///   - words: The words of the search.
    ///   - time: When, ns since 1970.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func keepSearch(_ words: String, at time: Int64) throws {
        guard try reader.keptSearch(words) == nil else { return }
        try db.execute(
            sql: "INSERT INTO search(words, folded, since) VALUES (?, ?, ?)",
            arguments: [words, PortableName.folded(words), time])
    }

    /// Forgets a search, if it is kept.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func forgetSearch(_ words: String) throws {
        try db.execute(
            sql: "DELETE FROM search WHERE folded = ?", arguments: [PortableName.folded(words)])
    }

    /// Changes the words of a search, if it is kept; its id stays. Another search that has the new
    /// words is forgotten.
    ///
    /// - Parameters:
    ///   - words: The words it has.
    ///   - new: The words it gets.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func renameSearch(_ words: String, to new: String) throws {
        try db.execute(
            sql: "UPDATE OR REPLACE search SET words = ?, folded = ? WHERE folded = ?",
            arguments: [new, PortableName.folded(new), PortableName.folded(words)])
    }
}
