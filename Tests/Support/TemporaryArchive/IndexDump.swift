import Foundation
import GRDB

/// The tables of an `index.sqlite`, looked at from outside.
public struct IndexFile {
    private let path: String

    public init(_ path: String) { self.path = path }

    /// Every row of every table as text, in an order that depends on nothing but the rows:
    /// two indexes hold the same when this is equal.
    ///
    /// The full-text index is shown as its words and where each stands; how SQLite has packed
    /// those depends on the transactions in which they came.
    public func dump() throws -> String {
        var configuration = Configuration()
        configuration.readonly = true
        return try DatabaseQueue(path: path, configuration: configuration).inDatabase { db in
            let tables = try String.fetchAll(
                db,
                sql: """
                    SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'words'
                      AND name NOT IN ('words_data', 'words_idx', 'words_config') ORDER BY name
                    """)
            try db.execute(
                sql: "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, instance)")
            return try tables.map { try Self.dump($0, in: db) }.joined()
                + Self.dump("vocabulary", in: db)
        }
    }

    private static func dump(_ table: String, in db: Database) throws -> String {
        let rows = try Row.fetchAll(db, sql: "SELECT * FROM \(table)").map { row in
            row.databaseValues.map(\.description).joined(separator: "|")
        }
        return "== \(table) (\(rows.count))\n" + rows.sorted().map { $0 + "\n" }.joined()
    }

    /// Changes something without the knowledge of the program that uses the index.
    public func execute(_ sql: String) throws {
        try DatabaseQueue(path: path).inDatabase { try $0.execute(sql: sql) }
    }

    /// The first column of the first row.
    public func number(_ sql: String) throws -> Int64? {
        try DatabaseQueue(path: path).inDatabase { try Int64.fetchOne($0, sql: sql) }
    }
}
