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
    /// On which volumes how many images are.
    public var placements: [PlacedImages] = []

    /// The number of images for each number of copies.
    public var byCopies: [Int: Int64] {
        placements.reduce(into: [:]) { $0[$1.volumes.count, default: 0] += $1.instances }
    }

    /// The number of images with fewer than `copies` copies.
    public func instances(withFewerThan copies: Int) -> Int64 {
        byCopies.filter { $0.key < copies }.values.reduce(0, +)
    }

    /// The number of images on a volume.
    ///
    /// - Parameter volume: Its ordinal.
    public func blobs(on volume: Int) -> Int64 {
        placements.filter { $0.volumes.contains(volume) }.map(\.instances).reduce(0, +)
    }

    /// The number of images whose only copy is on a volume.
    ///
    /// - Parameter volume: Its ordinal.
    public func onlyCopies(on volume: Int) -> Int64 {
        placements.first { $0.volumes == [volume] }?.instances ?? 0
    }

    /// The number of images that have copies, but none on any of `volumes`.
    ///
    /// - Parameter volumes: Ordinals of the volumes that are present.
    public func offlineOnly(present volumes: [Int]) -> Int64 {
        placements.filter { !$0.volumes.isEmpty && $0.volumes.allSatisfy { !volumes.contains($0) } }
            .map(\.instances).reduce(0, +)
    }

    /// The number of images for each number of disks that their copies are on.
    ///
    /// - Parameter disks: The disk of each volume, by its ordinal; copies on other volumes do not
    ///   count.
    public func images(byDisks disks: [Int: Int]) -> [Int: Int64] {
        placements.reduce(into: [:]) { result, placement in
            let count = Set(placement.volumes.compactMap { disks[$0] }).count
            if count > 0 { result[count, default: 0] += placement.instances }
        }
    }
}

/// How many images are on exactly these volumes.
public struct PlacedImages: Sendable {
    /// Ordinals, ascending; none for images without a copy.
    public var volumes: [Int]
    /// How many images.
    public var instances: Int64

    static func volumes(_ text: String) -> [Int] {
        text.split(separator: ",").compactMap { Int($0) }
    }
}

/// What was archived on a day.
public struct DayOfIntake: Sendable {
    /// Days since 1970, UTC.
    public var day: Int64
    /// Of the series; empty without one.
    public var modality: String
    /// How many images.
    public var instances: Int64
    /// Their bytes.
    public var bytes: Int64
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

    /// Sums over the archive, which the index keeps. Of rejected files, reads all rows.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func totals() throws -> Totals {
        var totals = Totals()
        let sums = try Row.fetchOne(
            db.cachedStatement(
                sql: "SELECT instances, bytes, versions, patients, studies FROM totals"))
        if let sums {
            (totals.instances, totals.bytes, totals.versions) = (sums[0], sums[1], sums[2])
            (totals.patients, totals.studies) = (sums[3], sums[4])
        }
        // A file that was archived later, repaired or moved back, no longer counts as rejected.
        totals.rejected =
            try Int64.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM rejected
                    WHERE NOT EXISTS
                      (SELECT 1 FROM instance WHERE instance.sha256 = rejected.sha256)
                    """) ?? 0
        let placements = try Row.fetchAll(db, sql: "SELECT volumes, instances FROM placement")
        totals.placements = placements.map {
            PlacedImages(volumes: PlacedImages.volumes($0[0]), instances: $0[1])
        }
        return totals
    }

    /// The number of blobs on a volume.
    ///
    /// - Parameter volume: Its ordinal.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func blobs(on volume: Int) throws -> Int64 { try totals().blobs(on: volume) }

    /// What was archived on each day, by modality; days without an image are left out.
    ///
    /// - Parameter day: The first, in days since 1970, UTC.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func intake(since day: Int64) throws -> [DayOfIntake] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT day, modality, instances, bytes FROM intake WHERE day >= ?
                ORDER BY day, modality
                """, arguments: [day]
        ).map { DayOfIntake(day: $0[0], modality: $0[1], instances: $0[2], bytes: $0[3]) }
    }

    /// What was archived of each modality since the beginning.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func intakeByModality() throws -> [(modality: String, instances: Int64, bytes: Int64)] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT modality, sum(instances), sum(bytes) FROM intake GROUP BY modality
                ORDER BY modality
                """
        ).map { ($0[0], $0[1], $0[2]) }
    }

    /// The number of images archived since a time, and their bytes.
    ///
    /// - Parameter time: ns since 1970; its whole day (UTC) counts.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func added(since time: Int64) throws -> (instances: Int64, bytes: Int64) {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT coalesce(sum(instances), 0), coalesce(sum(bytes), 0) FROM intake
                WHERE day >= ?
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
