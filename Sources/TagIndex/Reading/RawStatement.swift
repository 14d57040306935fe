import GRDB
import GRDBSQLite

/// A prepared statement that is run very often: without GRDB's arrays of arguments and rows,
/// which take longer than SQLite itself does for a row of a few columns.
///
/// Values are bound from left to right, then the statement is run, which makes it ready to be
/// bound again.
final class RawStatement {
    private let db: Database
    private let statement: Statement
    private let pointer: OpaquePointer
    private var bound: Int32 = 0

    init(_ sql: String, in db: Database) throws {
        self.db = db
        statement = try db.cachedStatement(sql: sql)
        pointer = statement.sqliteStatement
    }

    @discardableResult
    func bind(_ value: Int64) -> Self {
        bound += 1
        sqlite3_bind_int64(pointer, bound, value)
        return self
    }

    /// `nil` is NULL.
    @discardableResult
    func bind(_ value: Int64?) -> Self {
        if let value { return bind(value) }
        bound += 1
        sqlite3_bind_null(pointer, bound)
        return self
    }

    /// `nil` is NULL.
    @discardableResult
    func bind(_ value: String?) -> Self {
        bound += 1
        guard var value else {
            sqlite3_bind_null(pointer, bound)
            return self
        }
        value.withUTF8 { bytes in
            // A text without bytes has no address, which would be NULL.
            bytes.withMemoryRebound(to: CChar.self) { text in
                _ = sqlite3_bind_text64(
                    pointer, bound, text.baseAddress ?? Self.empty, UInt64(text.count), Self.copied,
                    UInt8(SQLITE_UTF8))
            }
        }
        return self
    }

    @discardableResult
    func bind(_ value: [UInt8]) -> Self {
        bound += 1
        value.withUnsafeBufferPointer { bytes in
            _ = sqlite3_bind_blob64(
                pointer, bound, bytes.baseAddress, UInt64(bytes.count), Self.copied)
        }
        return self
    }

    /// SQLite takes a copy of what is bound (SQLITE_TRANSIENT, a cast that C headers do not
    /// export).
    nonisolated(unsafe) private static let copied = unsafeBitCast(
        -1, to: sqlite3_destructor_type.self)
    /// Never written to.
    nonisolated(unsafe) private static let empty: UnsafePointer<CChar> = {
        let byte = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return UnsafePointer(byte)
    }()

    /// Runs the statement to its end.
    func run() throws {
        let code = sqlite3_step(pointer)
        try reset(after: code)
    }

    /// Runs the statement and gives the first column of its first row; `nil` when there is
    /// none, or it is NULL.
    func number() throws -> Int64? {
        let code = sqlite3_step(pointer)
        let value: Int64? =
            code == SQLITE_ROW && sqlite3_column_type(pointer, 0) != SQLITE_NULL
            ? sqlite3_column_int64(pointer, 0) : nil
        try reset(after: code)
        return value
    }

    /// Runs the statement and calls `body` with the first two columns of each row, until it
    /// returns false. The text, in UTF-8, is good during the call.
    func forEachNumberAndText(_ body: (Int64, UnsafeRawBufferPointer) -> Bool) throws {
        while true {
            let code = sqlite3_step(pointer)
            guard code == SQLITE_ROW else { return try reset(after: code) }
            // As a blob: as a text it would be copied, for the NUL behind it. There is none
            // when memory is short (or it is NULL or empty, which names are not).
            guard let text = sqlite3_column_blob(pointer, 1) else {
                return try reset(after: SQLITE_NOMEM)
            }
            let length = Int(sqlite3_column_bytes(pointer, 1))
            let goesOn = body(
                sqlite3_column_int64(pointer, 0), UnsafeRawBufferPointer(start: text, count: length)
            )
            if !goesOn { return try reset(after: code) }
        }
    }

    private func reset(after code: Int32) throws {
        defer {
            sqlite3_reset(pointer)
            bound = 0
        }
        guard code == SQLITE_DONE || code == SQLITE_ROW else {
            throw DatabaseError(
                resultCode: ResultCode(rawValue: sqlite3_extended_errcode(db.sqliteConnection)),
                message: String(cString: sqlite3_errmsg(db.sqliteConnection)), sql: statement.sql)
        }
    }
}

/// The statements of ``IndexWriter`` that every image or directory needs.
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
            INSERT INTO series(id, study, key, date, modality, series_uid, study_uid, attributes, created)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, in: db)
        insertWords = try RawStatement(
            "INSERT INTO words(rowid, name, id, study, other) VALUES (?, ?, ?, ?, ?)", in: db)
        findSeries = try RawStatement("SELECT 1 FROM series WHERE id = ? OR key = ?", in: db)
        insertNode = try RawStatement(
            "INSERT INTO node(parent, name, folded, series, view, by_uid, changed) VALUES (?, ?, ?, ?, ?, ?, ?)",
            in: db)
        findNode = try RawStatement("SELECT id FROM node WHERE parent = ? AND folded = ?", in: db)
        touchNode = try RawStatement("UPDATE node SET changed = ? WHERE id = ?", in: db)
    }
}
