import GRDB

/// The statements of ``IndexWriter`` that run for every image or directory.
final class FrequentStatements {
    let insertInstance: RawStatement
    let insertCopy: RawStatement
    let insertSeries: RawStatement
    let insertWords: RawStatement
    let findSeries: RawStatement
    let insertNode: RawStatement
    let findNode: RawStatement
    let touchNode: RawStatement

    init(in db: Database) throws {
        insertInstance = try RawStatement(
            """
            INSERT INTO instance(id, series, sha256, bytes, received, sop_uid, name, uid_name,
                                 copies, flags, source, attributes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, in: db)
        insertCopy = try RawStatement(
            "INSERT INTO copy(volume, instance, verified) VALUES (?, ?, ?)", in: db)
        insertSeries = try RawStatement(
            """
            INSERT INTO series(id, study, key, date, modality, series_uid, study_uid, attributes,
                               created)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, in: db)
        insertWords = try RawStatement(
            "INSERT INTO words(rowid, name, id, study, other) VALUES (?, ?, ?, ?, ?)", in: db)
        findSeries = try RawStatement("SELECT 1 FROM series WHERE id = ? OR key = ?", in: db)
        insertNode = try RawStatement(
            """
            INSERT INTO node(parent, name, folded, series, view, by_uid, changed)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """, in: db)
        findNode = try RawStatement("SELECT id FROM node WHERE parent = ? AND folded = ?", in: db)
        touchNode = try RawStatement("UPDATE node SET changed = ? WHERE id = ?", in: db)
    }
}
