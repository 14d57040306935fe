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
        try noteCopies(of: instance, became: 1, on: volume)
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
        if db.changesCount > 0 { try noteCopies(of: instance, became: -1, on: volume) }
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

    /// Counts a copy that came or went; its row of `copy` says so already.
    ///
    /// - Parameter change: 1 or -1.
    private func noteCopies(of instance: Int64, became change: Int, on volume: Int) throws {
        let now = try Int.fetchAll(
            db.cachedStatement(sql: "SELECT volume FROM copy WHERE instance = ?"),
            arguments: [instance])
        try db.cachedStatement(sql: "UPDATE instance SET copies = ? WHERE id = ?")
            .execute(arguments: [now.count, instance])
        guard db.changesCount > 0 else { return }
        let before = change > 0 ? now.filter { $0 != volume } : now + [volume]
        totals.move(1, from: before, to: now)
    }

    private func removeCopies(on volume: Int) throws {
        let placements = try Row.fetchAll(
            db,
            sql: """
                SELECT volumes, count(*) FROM (
                  SELECT group_concat(volume) AS volumes FROM copy
                  WHERE instance IN (SELECT instance FROM copy WHERE volume = ? AND instance < ?)
                  GROUP BY instance)
                GROUP BY volumes
                """, arguments: [volume, hiddenFrom])
        for row in placements {
            let volumes = PlacedImages.volumes(row[0])
            totals.move(row[1], from: volumes, to: volumes.filter { $0 != volume })
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
