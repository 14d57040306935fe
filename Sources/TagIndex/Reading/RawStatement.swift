import GRDB
import GRDBSQLite

/// A prepared statement for code that runs it very often. It does without GRDB's arrays of
/// arguments and rows, which take longer than SQLite itself for a row of a few columns. GRDB's
/// `Statement` takes 2.7 times as long to look up a directory or to insert a copy (in memory,
/// 100,000 rows: `Scripts/bench statements`).
///
/// Bind the values from left to right, then run the statement; then it can be bound again. No
/// other code may use the same SQL through GRDB, which would find its bindings changed.
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

    /// Binds a number; `nil` is NULL.
    @discardableResult
    func bind(_ value: Int64?) -> Self {
        if let value { return bind(value) }
        bound += 1
        sqlite3_bind_null(pointer, bound)
        return self
    }

    /// Binds a text; `nil` is NULL.
    @discardableResult
    func bind(_ value: String?) -> Self {
        bound += 1
        guard var value else {
            sqlite3_bind_null(pointer, bound)
            return self
        }
        value.withUTF8 { bytes in
            // An empty text has no address, and SQLite would take that for NULL.
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

    /// Makes SQLite copy the bytes that are bound: SQLITE_TRANSIENT, a cast that Swift does not
    /// import.
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

    /// Runs the statement and returns the first column of its first row; `nil` when there is no
    /// row, or the column is NULL.
    func number() throws -> Int64? {
        let code = sqlite3_step(pointer)
        let value: Int64? =
            code == SQLITE_ROW && sqlite3_column_type(pointer, 0) != SQLITE_NULL
            ? sqlite3_column_int64(pointer, 0) : nil
        try reset(after: code)
        return value
    }

    /// Runs the statement and calls `body` with the first two columns of each row, until it
    /// returns false. The text, in UTF-8, is good only during the call.
    func forEachNumberAndText(_ body: (Int64, UnsafeRawBufferPointer) -> Bool) throws {
        while true {
            let code = sqlite3_step(pointer)
            guard code == SQLITE_ROW else { return try reset(after: code) }
            // As a blob: SQLite would copy a text to add a NUL. It is absent only when memory is
            // short (or when the column is NULL or empty, which names are not).
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
