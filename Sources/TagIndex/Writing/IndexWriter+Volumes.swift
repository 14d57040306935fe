import Foundation
import GRDB

// The volumes, and which of them holds which image.
extension IndexWriter {
    /// Adds a volume. A known volume keeps its state and its count of errors.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: VolumeRecord) throws {
        try db.execute(
            sql: """
                INSERT INTO volume(ordinal, id, domain, state, errors) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT(ordinal) DO UPDATE SET id = excluded.id, domain = excluded.domain
                """,
            arguments: [
                record.ordinal, record.id, record.domain, record.state.rawValue, record.errors,
            ])
    }

    /// Sets the state of a volume. An active one starts with no errors, a retired one has no
    /// copies.
    ///
    /// - Parameters:
    ///   - state: The state.
    ///   - ordinal: The ordinal of the volume.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func setState(_ state: VolumeState, ofVolume ordinal: Int) throws {
        try db.execute(
            sql: "UPDATE volume SET state = ? WHERE ordinal = ?",
            arguments: [state.rawValue, ordinal])
        switch state {
        case .active:
            try db.execute(
                sql: "UPDATE volume SET errors = 0 WHERE ordinal = ?", arguments: [ordinal])
        case .retired: try removeCopies(on: ordinal)
        case .failing, .retiring: break
        }
    }

    /// Notes a good copy.
    ///
    /// - Parameters:
    ///   - instance: `instance.id`.
    ///   - volume: The ordinal of the volume that holds it.
    ///   - time: When it was hashed, ns since 1970.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func noteCopy(of instance: Int64, on volume: Int, verified time: Int64) throws {
        let update = try db.cachedStatement(
            sql: "UPDATE copy SET verified = ? WHERE volume = ? AND instance = ?")
        try update.execute(arguments: [time, volume, instance])
        guard db.changesCount == 0 else { return }
        try statements.insertCopy.bind(Int64(volume)).bind(instance).bind(time).run()
        try addToCopies(of: instance, 1)
    }

    /// Removes a bad copy, and counts an error of the volume.
    ///
    /// - Parameters:
    ///   - instance: `instance.id`.
    ///   - volume: The ordinal of the volume that held it.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func noteDamage(of instance: Int64, on volume: Int) throws {
        try db.cachedStatement(sql: "UPDATE volume SET errors = errors + 1 WHERE ordinal = ?")
            .execute(arguments: [volume])
        try db.cachedStatement(sql: "DELETE FROM copy WHERE volume = ? AND instance = ?")
            .execute(arguments: [volume, instance])
        if db.changesCount > 0 { try addToCopies(of: instance, -1) }
        // The folder no longer counts as good, until it is read again.
        let digest = try Data.fetchOne(
            db.cachedStatement(sql: "SELECT sha256 FROM instance WHERE id = ?"),
            arguments: [instance])
        try db.cachedStatement(
            sql: "UPDATE scrubbed SET errors = errors + 1 WHERE volume = ? AND folder = ?"
        )
        .execute(arguments: [volume, digest?.first])
    }

    /// Notes that the blobs of a folder were read.
    ///
    /// - Parameters:
    ///   - folder: The first byte of their digests.
    ///   - volume: The ordinal of the volume.
    ///   - errors: The number of bad copies found.
    ///   - time: When, ns since 1970.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func noteScrub(of folder: UInt8, on volume: Int, errors: Int64, at time: Int64) throws {
        try db.cachedStatement(
            sql: "INSERT OR REPLACE INTO scrubbed(volume, folder, time, errors) VALUES (?, ?, ?, ?)"
        )
        .execute(arguments: [volume, folder, time, errors])
    }

    private func addToCopies(of instance: Int64, _ change: Int) throws {
        let count =
            try Int.fetchOne(
                db.cachedStatement(sql: "SELECT copies FROM instance WHERE id = ?"),
                arguments: [instance]) ?? 0
        try db.cachedStatement(sql: "UPDATE instance SET copies = ? WHERE id = ?")
            .execute(arguments: [count + change, instance])
        totals.move(1, fromCopies: count, to: count + change)
    }

    private func removeCopies(on volume: Int) throws {
        let histogram = try Row.fetchAll(
            db,
            sql: """
                SELECT copies, count(*) FROM copy JOIN instance ON instance.id = copy.instance
                WHERE volume = ? AND instance < ? GROUP BY copies
                """, arguments: [volume, hiddenFrom])
        for row in histogram {
            let copies: Int = row[0]
            totals.move(row[1], fromCopies: copies, to: copies - 1)
        }
        try db.execute(
            sql: """
                UPDATE instance SET copies = copies - 1
                WHERE id IN (SELECT instance FROM copy WHERE volume = ? AND instance < ?)
                """, arguments: [volume, hiddenFrom])
        try db.execute(
            sql: "DELETE FROM copy WHERE volume = ? AND instance < ?",
            arguments: [volume, hiddenFrom])
        try db.execute(sql: "DELETE FROM scrubbed WHERE volume = ?", arguments: [volume])
    }
}
