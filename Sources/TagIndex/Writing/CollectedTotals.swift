import DICOM
import GRDB

/// The changes of one transaction to the sums that the index keeps, written once at its end.
struct CollectedTotals {
    /// Nanoseconds of a day.
    static let day: Int64 = 86_400_000_000_000

    private var instances: Int64 = 0
    private var bytes: Int64 = 0
    private var versions: Int64 = 0
    private var byCopies: [Int: Int64] = [:]
    /// By day, UTC, since 1970.
    private var byDay: [Int64: (instances: Int64, bytes: Int64)] = [:]

    /// Counts a new image.
    mutating func add(_ record: InstanceRecord) {
        instances += 1
        bytes += record.bytes
        if record.flags & Int64(HeaderFlags.sameDataSet.rawValue) != 0 { versions += 1 }
        let day = record.received / Self.day
        byDay[day, default: (0, 0)].instances += 1
        byDay[day, default: (0, 0)].bytes += record.bytes
        byCopies[record.volumes.count, default: 0] += 1
    }

    /// Counts images that have another number of copies than before.
    mutating func move(_ images: Int64, fromCopies old: Int, to new: Int) {
        byCopies[old, default: 0] -= images
        byCopies[new, default: 0] += images
    }

    /// Adds the changes to the tables `totals`, `day` and `copy_count`.
    func write(to db: Database) throws {
        if instances > 0 {
            try db.execute(
                sql: """
                    UPDATE totals
                    SET instances = instances + ?, bytes = bytes + ?, versions = versions + ?
                    """,
                arguments: [instances, bytes, versions])
        }
        for (day, added) in byDay {
            try db.execute(
                sql: """
                    INSERT INTO day VALUES (?, ?, ?) ON CONFLICT(day) DO UPDATE
                    SET instances = instances + excluded.instances, bytes = bytes + excluded.bytes
                    """, arguments: [day, added.instances, added.bytes])
        }
        for (copies, change) in byCopies where change != 0 {
            try db.execute(
                sql: """
                    INSERT INTO copy_count VALUES (?, ?)
                    ON CONFLICT(copies) DO UPDATE SET instances = instances + excluded.instances
                    """, arguments: [copies, change])
        }
        // A row of zero would only tell that transactions passed through it.
        if !byCopies.isEmpty {
            try db.execute(sql: "DELETE FROM copy_count WHERE instances = 0")
        }
    }
}
