import GRDB

/// Sums over the archive.
public struct Totals: Sendable {
    /// Images, all their versions counted.
    public var instances: Int64 = 0
    /// Of these, further versions: an earlier image has the same data set.
    public var versions: Int64 = 0
    /// Bytes of all images, each counted once.
    public var bytes: Int64 = 0
    /// Studies.
    public var studies: Int64 = 0
    /// Patients.
    public var patients: Int64 = 0
    /// Rejected files that were not archived later.
    public var rejected: Int64 = 0
    /// The number of images for each number of copies.
    public var byCopies: [Int: Int64] = [:]

    /// The number of images with fewer than `copies` copies.
    public func instances(withFewerThan copies: Int) -> Int64 {
        byCopies.filter { $0.key < copies }.values.reduce(0, +)
    }
}

// The archive as a whole: sums, and its first and last times.
extension IndexReader {
    /// When the first views were set, ns since 1970: the beginning of the archive. 0 before that.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func created() throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT value FROM meta WHERE key = 'created'")
        return try String.fetchOne(statement).flatMap { Int64($0) } ?? 0
    }

    /// The number of images, and the bytes of them all, each counted once.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func sums() throws -> (instances: Int64, bytes: Int64) {
        let statement = try db.cachedStatement(sql: "SELECT instances, bytes FROM totals")
        return try Row.fetchOne(statement).map { ($0[0], $0[1]) } ?? (0, 0)
    }

    /// Sums over the archive. Reads all rows of studies, patients and rejected files.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func totals() throws -> Totals {
        var totals = Totals()
        (totals.instances, totals.bytes) = try sums()
        totals.versions = try Int64.fetchOne(db, sql: "SELECT versions FROM totals") ?? 0
        totals.studies = try Int64.fetchOne(db, sql: "SELECT count(*) FROM study") ?? 0
        totals.patients = try Int64.fetchOne(db, sql: "SELECT count(*) FROM patient") ?? 0
        // A file that was archived later, repaired or moved back, no longer counts as rejected.
        totals.rejected =
            try Int64.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM rejected
                    WHERE NOT EXISTS
                      (SELECT 1 FROM instance WHERE instance.sha256 = rejected.sha256)
                    """) ?? 0
        let histogram = try Row.fetchAll(db, sql: "SELECT copies, instances FROM copy_count")
        for row in histogram { totals.byCopies[row[0]] = row[1] }
        return totals
    }

    /// The number of blobs on a volume. Reads all its rows.
    ///
    /// - Parameter volume: Its ordinal.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func blobs(on volume: Int) throws -> Int64 {
        try Int64.fetchOne(
            db, sql: "SELECT count(*) FROM copy WHERE volume = ?", arguments: [volume]) ?? 0
    }

    /// The number of images archived since a time, and their bytes.
    ///
    /// - Parameter time: ns since 1970; its whole day (UTC) counts.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func added(since time: Int64) throws -> (instances: Int64, bytes: Int64) {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT coalesce(sum(instances), 0), coalesce(sum(bytes), 0) FROM day WHERE day >= ?
                """, arguments: [time / CollectedTotals.day])
        return row.map { ($0[0], $0[1]) } ?? (0, 0)
    }

    /// When the last image of the archive was archived, ns since 1970; 0 when there is none.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastReceived() throws -> Int64 {
        let statement = try db.cachedStatement(
            sql: "SELECT received FROM instance ORDER BY id DESC LIMIT 1")
        return try Int64.fetchOne(statement) ?? 0
    }

    /// The highest ids given. The results of a search can change only when these do.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastRows() throws -> (series: Int64, instance: Int64) {
        let statement = try db.cachedStatement(
            sql: """
                SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'series'),
                       (SELECT seq FROM sqlite_sequence WHERE name = 'instance')
                """)
        let row = try Row.fetchOne(statement)
        return (row?[0] ?? 0, row?[1] ?? 0)
    }
}
