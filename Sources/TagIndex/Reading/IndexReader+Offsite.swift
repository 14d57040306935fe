import Foundation
import GRDB

// What lies on remotes.
extension IndexReader {
    /// The remotes that are used, in the order in which they were added.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func remotes() throws -> [RemoteRecord] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT id, name, uuid, cipher, hash, added, images, bytes, pushed, checked,
                       rolled_back, wiped, overwrite, delete_, shorten
                FROM remote ORDER BY id
                """
        ).map { row in
            var record = RemoteRecord(
                name: row[1], uuid: row[2], cipher: row[3], hash: row[4], added: row[5])
            record.id = row[0]
            (record.images, record.bytes) = (row[6], row[7])
            (record.pushed, record.checked, record.rolledBack) = (row[8], row[9], row[10])
            if let time: Int64 = row[11] {
                record.wipeTest = .init(
                    time: time, overwrite: row[12], delete: row[13], shorten: row[14])
            }
            return record
        }
    }

    /// The places where an image lies, one on each remote that has it.
    ///
    /// - Parameters:
    ///   - sha256: The digest, 32 bytes.
    ///   - areFaulty: Whether those in objects with a fault are asked for, and not the others.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func offsitePlaces(
        sha256: [UInt8], areFaulty: Bool = false
    ) throws -> [OffsiteRow] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT remote.name, object.name, offsite.offset, instance.bytes,
                       object.recorded
                FROM instance JOIN offsite ON offsite.instance = instance.id
                JOIN object ON object.id = offsite.object
                JOIN remote ON remote.id = offsite.remote
                WHERE sha256 = ? AND (object.fault IS NOT NULL) = ? ORDER BY remote.id
                """)
        return try Row.fetchAll(statement, arguments: [Data(sha256), areFaulty]).map {
            OffsiteRow(remote: $0[0], object: $0[1], offset: $0[2], bytes: $0[3], recorded: $0[4])
        }
    }

    // MARK: Objects

    private static let objectColumns =
        "id, name, server, bytes, hash, until, through, proven, fault, recorded"

    private func object(_ row: Row) -> ObjectRecord {
        var record = ObjectRecord(
            name: row[1], serverName: row[2], bytes: row[3], hash: row[4], lockedUntil: row[5],
            through: row[6], proven: row[7], fault: row[8])
        record.id = row[0]
        record.recorded = row[9]
        return record
    }

    /// An object; `nil` when nothing is known of one of this name.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func object(_ name: String, onRemote remote: Int64) throws -> ObjectRecord? {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.objectColumns) FROM object WHERE remote = ? AND name = ?")
        return try Row.fetchOne(statement, arguments: [remote, name]).map(object)
    }

    /// Calls `body` with all objects of a remote, in the order in which they were brought there.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged; the errors of
    ///   `body`.
    public func objects(
        onRemote remote: Int64, _ body: (ObjectRecord) throws -> Void
    ) throws {
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT \(Self.objectColumns) FROM object WHERE remote = ? ORDER BY recorded, id
                """, arguments: [remote])
        while let row = try rows.next() { try body(object(row)) }
    }

    /// The number of objects of a remote, and of those with a fault.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func objectCount(onRemote remote: Int64) throws -> (all: Int64, faulty: Int64) {
        let statement = try db.cachedStatement(
            sql: "SELECT count(*), count(fault) FROM object WHERE remote = ?")
        return try Row.fetchOne(statement, arguments: [remote]).map { ($0[0], $0[1]) } ?? (0, 0)
    }

    /// Bytes of all objects without a fault.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func objectBytes(onRemote remote: Int64) throws -> Int64 {
        try Int64.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT coalesce(sum(bytes), 0) FROM object WHERE remote = ? AND fault IS NULL
                    """), arguments: [remote]) ?? 0
    }

    /// Objects without a fault, those first that were read whole longest ago.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func leastProven(onRemote remote: Int64, limit: Int) throws -> [ObjectRecord] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT \(Self.objectColumns) FROM object WHERE remote = ? AND fault IS NULL
                ORDER BY proven LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [remote, limit]).map(object)
    }

    /// The last record of the ledger that is on a remote; 0 when none is.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func ledgerThrough(onRemote remote: Int64) throws -> Int64 {
        try Int64.fetchOne(
            db.cachedStatement(
                sql: "SELECT max(through) FROM object WHERE remote = ? AND fault IS NULL"),
            arguments: [remote]) ?? 0
    }

    /// Whether a piece of the open segment of the ledger has a fault, and is in no later piece.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func hasFaultyTail(onRemote remote: Int64) throws -> Bool {
        try Int64.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT 1 FROM object AS bad WHERE remote = ? AND through IS NOT NULL
                      AND fault IS NOT NULL AND NOT EXISTS
                      (SELECT 1 FROM object WHERE remote = bad.remote AND fault IS NULL
                       AND through >= bad.through AND recorded > bad.recorded)
                    LIMIT 1
                    """), arguments: [remote]) != nil
    }

    // MARK: What is missing there

    private static let isPending = """
        NOT EXISTS (SELECT 1 FROM offsite JOIN object ON object.id = offsite.object
                    WHERE offsite.remote = ? AND offsite.instance = instance.id
                      AND object.fault IS NULL)
        """

    /// Images that are not on a remote, ascending by id.
    ///
    /// - Parameters:
    ///   - remote: `remote.id`.
    ///   - id: `instance.id` after which to begin.
    ///   - limit: How many images are looked at.
    /// - Returns: Those that are not there, and the last that was looked at; `nil` at the end.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func pending(
        onRemote remote: Int64, after id: Int64, limit: Int
    ) throws -> (images: [PendingImage], last: Int64?) {
        let last = try Int64.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT max(id) FROM
                      (SELECT id FROM instance WHERE id > ? ORDER BY id LIMIT ?)
                    """), arguments: [id, limit])
        guard let last else { return ([], nil) }
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, series, sha256, bytes, received FROM instance
                WHERE id > ? AND id <= ? AND \(Self.isPending) ORDER BY id
                """)
        return (
            try Row.fetchAll(statement, arguments: [id, last, remote]).map(pendingImage), last
        )
    }

    /// The images of a series that are not on a remote, ascending by id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func pending(
        onRemote remote: Int64, series: Int64, after id: Int64 = 0, limit: Int
    ) throws -> [PendingImage] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, series, sha256, bytes, received
                FROM instance INDEXED BY instance_series
                WHERE series = ? AND id > ? AND \(Self.isPending) ORDER BY id LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [series, id, remote, limit])
            .map(pendingImage)
    }

    private func pendingImage(_ row: Row) -> PendingImage {
        let sha256: Data = row[2]
        return PendingImage(
            id: row[0], series: row[1], sha256: [UInt8](sha256), bytes: row[3], received: row[4])
    }

    /// The first image that is not on a remote; `nil` when all are there.
    ///
    /// - Parameters:
    ///   - remote: `remote.id`.
    ///   - id: `instance.id` up to which all are there; 0 when nothing is known. Reads all rows
    ///     between that and the first that is missing.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func firstPending(onRemote remote: Int64, after id: Int64) throws -> PendingImage? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, series, sha256, bytes, received FROM instance
                WHERE id > ? AND \(Self.isPending) ORDER BY id LIMIT 1
                """)
        return try Row.fetchOne(statement, arguments: [id, remote]).map(pendingImage)
    }

    /// Rejected files that are not on a remote, ascending by id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func pendingRejected(
        onRemote remote: Int64, after id: Int64, limit: Int
    ) throws -> [(file: RejectedFile, reason: String)] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, sha256, bytes, path, reason FROM rejected
                WHERE id > ? AND NOT EXISTS
                  (SELECT 1 FROM instance WHERE instance.sha256 = rejected.sha256)
                  AND NOT EXISTS
                  (SELECT 1 FROM object WHERE remote = ? AND fault IS NULL
                   AND object.name = 'rejected/' || lower(substr(hex(rejected.sha256), 1, 2))
                                     || '/' || lower(hex(rejected.sha256)))
                ORDER BY id LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [id, remote, limit]).map {
            let sha256: Data = $0[1]
            return (
                RejectedFile(id: $0[0], sha256: [UInt8](sha256), bytes: $0[2], path: $0[3]), $0[4]
            )
        }
    }

    /// The last, by its name, of the objects in a folder of a remote.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastObject(in folder: String, onRemote remote: Int64) throws -> String? {
        try String.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT name FROM object
                    WHERE remote = ? AND name > ? AND name < ? AND fault IS NULL
                    ORDER BY name DESC LIMIT 1
                    """), arguments: [remote, folder + "/", folder + "0"])
    }
}
