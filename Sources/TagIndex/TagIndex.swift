import Foundation
import GRDB
import Naming
import Synchronization
import System

/// The index of tags and paths: a SQLite file that says where everything is shown.
///
/// One connection writes, in transactions that are short; each reading thread takes a
/// connection of its own from a free list, with its prepared statements, so that look-ups
/// run side by side (a shared pool that opens a transaction for each reached a third of
/// the rate).
public final class TagIndex: Sendable {
    let path: String
    private let writer: DatabaseQueue
    private let idle = Lock<[DatabaseQueue]>([])
    private let commits = Atomic(0)

    /// How many transactions were committed since it was opened: what was read is still so while
    /// this is what it was before.
    public var generation: Int { commits.load(ordering: .acquiring) }

    /// Opens the index at `path`, or makes an empty one where there is none.
    ///
    /// - throws: ``IndexError`` with code ``IndexError/Code/corrupt`` when the file is damaged
    ///   or of another version, and GRDB's `DatabaseError` for other failures of SQLite.
    public init(path: String) throws {
        self.path = path
        do {
            writer = try DatabaseQueue(
                path: path, configuration: Self.configuration(readonly: false))
            try writer.inDatabase { db in
                // The index may be behind the ledger after a power cut, never damaged by it.
                try db.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
            }
            try writer.inTransaction { db in
                if try db.tableExists("meta") {
                    let found = try String.fetchOne(
                        db, sql: "SELECT value FROM meta WHERE key = 'schema'")
                    guard found == String(Schema.version) else {
                        throw IndexError(
                            code: .corrupt,
                            message:
                                "\(path) has schema \(found ?? "none"), this program needs \(Schema.version)."
                        )
                    }
                } else {
                    try Schema.create(in: db)
                }
                return .commit
            }
        } catch let error as DatabaseError
            where error.isDamage || error.resultCode == .SQLITE_CANTOPEN
        {
            throw IndexError(
                code: .corrupt, message: "\(path) is damaged: \(error.message ?? "\(error)").")
        }
    }

    /// An index that another process may be writing to, for reading only.
    ///
    /// - throws: ``IndexError`` when there is none
    public init(readingFrom path: String) throws {
        self.path = path
        guard FileManager.default.fileExists(atPath: path) else {
            throw IndexError(
                code: .corrupt,
                message:
                    "There is no index \(path). Mount the archive: that makes it again from the ledger."
            )
        }
        writer = try DatabaseQueue(path: path, configuration: Self.configuration(readonly: true))
    }

    private static func configuration(readonly: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = readonly
        configuration.busyMode = .timeout(10)
        configuration.prepareDatabase { db in
            // KiB; each reading thread has a connection.
            try db.execute(sql: "PRAGMA cache_size = -1024")
        }
        return configuration
    }

    /// Calls `body` with a reader. What it reads is the last committed state; each look-up
    /// sees a state of its own.
    ///
    /// - throws: ``IndexError`` with code ``IndexError/Code/corrupt`` when damage is met: the
    ///   next start makes the index anew
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
    /// - throws: as ``read(_:)``
    public func write<R>(_ body: (IndexWriter) throws -> R) throws -> R {
        var result: R?
        try Self.noting(damageOf: path) {
            try writer.inTransaction { db in
                let indexWriter = try IndexWriter(db: db)
                result = try body(indexWriter)
                try indexWriter.finish()
                return .commit
            }
            commits.add(1, ordering: .releasing)
        }
        guard let result else {
            preconditionFailure("a transaction that did not throw has run its body")
        }
        return result
    }

    /// Makes sure that the next start needs no recovery of SQLite's own.
    public func close() {
        let connections = idle.withLock { idle in
            defer { idle = [] }
            return idle
        }
        for connection in connections { try? connection.close() }
        try? writer.close()
    }
}
