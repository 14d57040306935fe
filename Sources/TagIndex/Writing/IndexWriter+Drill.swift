import Foundation

// What drills have found.
extension IndexWriter {
    /// Notes a drill; an earlier one of the same source is replaced.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: DrillRecord) throws {
        try db.execute(
            sql: """
                INSERT OR REPLACE INTO drill(
                  source, time, images, listed, seen, restored, decoded, faults, report
                ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                record.source, record.time, record.images, record.listed, record.seen,
                record.restored, record.decoded, record.faults, Data(record.report),
            ])
    }

    /// Forgets the drills of a source that is another one from now on.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    func forgetDrill(of source: String) throws {
        try db.execute(sql: "DELETE FROM drill WHERE source = ?", arguments: [source])
    }
}
