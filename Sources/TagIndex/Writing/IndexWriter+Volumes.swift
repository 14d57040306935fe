import Foundation
import GRDB

// Volumes, and which of them holds what.
extension IndexWriter {
    /// Adds a volume; one that is known keeps its state.
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

    /// A volume that becomes active has no errors any more; one that is retired no copies.
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

    /// Notes that `volume` holds a good copy of `instance`, seen at `time` (ns since 1970).
    public func noteCopy(of instance: Int64, on volume: Int, verified time: Int64) throws {
        let update = try db.cachedStatement(
            sql: "UPDATE copy SET verified = ? WHERE volume = ? AND instance = ?")
        try update.execute(arguments: [time, volume, instance])
        guard db.changesCount == 0 else { return }
        try statements.insertCopy.bind(Int64(volume)).bind(instance).bind(time).run()
        try addToCopies(of: instance, 1)
    }

    /// Notes that `volume` has no good copy of `instance`, and counts an error of the volume.
    public func noteDamage(of instance: Int64, on volume: Int) throws {
        try db.cachedStatement(sql: "UPDATE volume SET errors = errors + 1 WHERE ordinal = ?")
            .execute(arguments: [volume])
        try db.cachedStatement(sql: "DELETE FROM copy WHERE volume = ? AND instance = ?")
            .execute(arguments: [volume, instance])
        if db.changesCount > 0 { try addToCopies(of: instance, -1) }
        // The folder is not seen to be good any more, until it is read again.
        let digest = try Data.fetchOne(
            db.cachedStatement(sql: "SELECT sha256 FROM instance WHERE id = ?"),
            arguments: [instance])
        try db.cachedStatement(
            sql: "UPDATE scrubbed SET errors = errors + 1 WHERE volume = ? AND folder = ?"
        )
        .execute(arguments: [volume, digest?.first])
    }

    /// Notes that the blobs of a folder were read at `time` (ns since 1970).
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
        addedByCopies[count, default: 0] -= 1
        addedByCopies[count + change, default: 0] += 1
    }

    private func removeCopies(on volume: Int) throws {
        let histogram = try Row.fetchAll(
            db,
            sql: """
                SELECT copies, count(*) FROM copy JOIN instance ON instance.id = copy.instance
                WHERE volume = ? AND instance < ? GROUP BY copies
                """, arguments: [volume, horizon])
        for row in histogram {
            let (copies, instances): (Int, Int64) = (row[0], row[1])
            addedByCopies[copies, default: 0] -= instances
            addedByCopies[copies - 1, default: 0] += instances
        }
        try db.execute(
            sql:
                "UPDATE instance SET copies = copies - 1 WHERE id IN (SELECT instance FROM copy WHERE volume = ? AND instance < ?)",
            arguments: [volume, horizon])
        try db.execute(
            sql: "DELETE FROM copy WHERE volume = ? AND instance < ?", arguments: [volume, horizon])
        try db.execute(sql: "DELETE FROM scrubbed WHERE volume = ?", arguments: [volume])
    }
}
