import Foundation
import GRDB
import Naming
import Synchronization
import System

/// The index of tags and paths: a SQLite file that answers where everything is shown.
///
/// One connection writes, in short transactions. Each reading thread takes a connection of its
/// own, with its prepared statements, from a free list, so that look-ups run side by side. (GRDB's
/// shared pool, which opens a transaction for each, reached a third of the rate.)
public final class TagIndex: Sendable {
    let path: String
    private let writer: DatabaseQueue
    private let idle = Lock<[DatabaseQueue]>([])
    private let commits = Atomic(0)

    /// The number of transactions committed since the index was opened. While it is unchanged,
    /// everything read before is still true.
    public var generation: Int { commits.load(ordering: .acquiring) }

    /// Opens the index at `path`, or creates an empty one.
    ///
    /// - Parameter path: The file.
    /// - Throws: ``IndexError`` with code ``IndexError/Code/corrupt`` when the file is damaged or
    ///   of another version; GRDB's `DatabaseError` for other failures of SQLite.
    public init(path: String) throws {
        self.path = path
        do {
            writer = try DatabaseQueue(
                path: path, configuration: Self.configuration(readonly: false))
            try writer.inDatabase { db in
                // A power cut may leave the index older than the ledger, but not damaged.
                try db.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            }
            try writer.inTransaction { db in
                if try db.tableExists("meta") {
                    let found = try String.fetchOne(
                        db, sql: "SELECT value FROM meta WHERE key = 'schema'")
                    guard found == String(Schema.version) else {
                        throw IndexError.corrupt(
                            "The index has schema \(found ?? "none"), and this program needs "
                                + "\(Schema.version)",
                            path: path)
                    }
                } else {
                    try Schema.create(in: db)
                }
                return .commit
            }
        } catch let error as DatabaseError
            where error.isDamage || error.resultCode == .SQLITE_CANTOPEN
        {
            throw IndexError.corrupt(
                "The index is damaged: \(error.message ?? "\(error.resultCode)")", path: path)
        }
    }

    /// Opens an index that another process may be writing to, for reading only.
    ///
    /// - Parameter path: The file.
    /// - Throws: ``IndexError`` with code `corrupt` when there is no index; GRDB's `DatabaseError`
    ///   when SQLite cannot open it.
    public init(readingFrom path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            throw IndexError(
                .corrupt, "There is no index", path: path,
                remedy: "Mount the archive: this rebuilds the index from the ledger.")
        }
        writer = try DatabaseQueue(path: path, configuration: Self.configuration(readonly: true))
    }

    private static func configuration(readonly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { db in
            // In KiB, for each reading thread.
            try db.execute(sql: "PRAGMA cache_size = -1024")
        }
        return configuration
    }

    /// Calls `body` with a reader of the last committed state. There is no transaction: two
    /// look-ups in `body` may see two states.
    ///
    /// - Parameter body: Must not keep the reader beyond its return.
    /// - Returns: The result of `body`.
    /// - Throws: The errors of `body`. ``IndexError`` with code ``IndexError/Code/corrupt`` when
    ///   damage is found; the next start then rebuilds the index.
    public func read<R>(_ body: (IndexReader) throws -> R) throws -> R {
        try Self.noting(damageOf: path) {
            let connection =
                try idle.withLock { $0.popLast() }
                ?? DatabaseQueue(path: path, configuration: Self.configuration(readonly: true))
            defer { idle.withLock { $0.append(connection) } }
            return try connection.unsafeRead { try body(IndexReader(db: $0)) }
        }
    }

    /// Calls `body` in a transaction, which is committed when `body` returns and rolled back
    /// when it throws.
    ///
    /// - Parameter body: Must not keep the writer beyond its return.
    /// - Returns: The result of `body`.
    /// - Throws: As ``read(_:)``; then nothing is changed.
    public func write<R>(_ body: (IndexWriter) throws -> R) throws -> R {
        var result: R?
        // Others wait for the end of the transaction, and must not wait for a disk because of that.
        try DiskWork.keptFree { try writeNow { result = try body($0) } }
        guard let result else {
            preconditionFailure("a transaction that did not throw has run its body")
        }
        return result
    }

    private func writeNow(_ body: (IndexWriter) throws -> Void) throws {
        try Self.noting(damageOf: path) {
            try writer.inTransaction { db in
                let indexWriter = try IndexWriter(db: db)
                try body(indexWriter)
                try indexWriter.finish()
                return .commit
            }
            commits.add(1, ordering: .releasing)
        }
    }

    /// Closes all connections, so that SQLite has nothing to recover at the next start.
    public func close() {
        let connections = idle.withLock { idle in
            defer { idle = [] }
            return idle
        }
        for connection in connections { try? connection.close() }
        try? writer.close()
    }
}
