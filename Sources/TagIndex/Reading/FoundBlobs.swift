import Foundation
import GRDB

/// Blobs in the order of their arrival, for a rebuild that has only blobs. They are kept in a
/// temporary file, so that memory does not grow with the archive.
public final class FoundBlobs {
    private let path: String
    private let queue: DatabaseQueue

    /// A blob that was found on one or more volumes.
    public struct Blob: Sendable {
        /// The digest, 32 bytes.
        public var sha256: [UInt8]
        /// The earliest time of the file on a volume, ns since 1970.
        public var time: Int64
        /// Ordinals of the volumes on which it was found.
        public var volumes: [Int]
    }

    /// Creates an empty list.
    ///
    /// - Parameter path: The temporary file; an existing one is replaced, and removed at the end.
    /// - Throws: GRDB's `DatabaseError` when SQLite cannot write the file.
    public init(path: String) throws {
        self.path = path
        unlink(path)
        var configuration = Configuration()
        configuration.prepareDatabase {
            try $0.execute(
                sql: """
                    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                    PRAGMA cache_size = -16384
                    """)
        }
        queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.inDatabase {
            try $0.execute(
                sql: """
                    CREATE TABLE found(
                      sha256 BLOB PRIMARY KEY, time INTEGER NOT NULL, volumes TEXT NOT NULL
                    ) WITHOUT ROWID
                    """)
        }
    }

    deinit {
        try? queue.close()
        unlink(path)
    }

    /// Adds the blobs of a volume.
    ///
    /// - Parameters:
    ///   - volume: Its ordinal.
    ///   - list: Calls its argument for each blob, with the digest (32 bytes) and the time of the
    ///     file, ns since 1970.
    /// - Throws: The errors of `list`; GRDB's `DatabaseError` when SQLite fails.
    public func add(
        volume: Int,
        _ list: (_ found: (_ sha256: [UInt8], _ time: Int64) throws -> Void) throws -> Void
    ) throws {
        try queue.inTransaction { db in
            let insert = try RawStatement(
                """
                INSERT INTO found VALUES (?, ?, ?) ON CONFLICT(sha256) DO UPDATE
                SET time = min(time, excluded.time), volumes = volumes || ',' || excluded.volumes
                """, in: db)
            try list { sha256, time in
                try insert.bind(sha256).bind(time).bind(String(volume)).run()
            }
            return .commit
        }
    }

    /// The number of different blobs.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func count() throws -> Int64 {
        try queue.inDatabase { try Int64.fetchOne($0, sql: "SELECT count(*) FROM found") ?? 0 }
    }

    /// Calls `body` with the blobs, ordered by time, then by digest.
    ///
    /// - Parameters:
    ///   - size: The most blobs for one call.
    ///   - body: Takes the next blobs.
    /// - Throws: The errors of `body`; GRDB's `DatabaseError` when SQLite fails.
    public func forEach(batchesOf size: Int, _ body: ([Blob]) throws -> Void) throws {
        try queue.inDatabase { db in
            let rows = try Row.fetchCursor(
                db, sql: "SELECT sha256, time, volumes FROM found ORDER BY time, sha256")
            var batch: [Blob] = []
            while let row = try rows.next() {
                let (sha256, volumes): (Data, String) = (row[0], row[2])
                batch.append(
                    Blob(
                        sha256: [UInt8](sha256), time: row[1],
                        volumes: volumes.split(separator: ",").compactMap { Int($0) }))
                if batch.count == size {
                    try body(batch)
                    batch = []
                }
            }
            if !batch.isEmpty { try body(batch) }
        }
    }
}
