import Foundation
import GRDB

/// Where images should be, for a drill.
public enum DrilledPlace: Hashable, Sendable {
    /// The ordinal of a volume.
    case volume(Int)
    /// `remote.id`.
    case remote(Int64)
    /// What has all images of the archive.
    case everything

    /// The `instance.id` of all images there, and an argument for it.
    fileprivate var images: (sql: String, argument: Int64) {
        switch self {
        case .volume(let ordinal):
            ("SELECT instance FROM copy WHERE volume = ?", Int64(ordinal))
        case .remote(let id): ("SELECT instance FROM offsite WHERE remote = ?", id)
        case .everything: ("SELECT id FROM instance WHERE id > ?", 0)
        }
    }
}

// What drills have found, and what they restore. The queries that choose a sample read all rows.
extension IndexReader {
    /// The last drill of each source.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func drills() throws -> [DrillRecord] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT source, time, images, listed, seen, restored, decoded, faults, report
                FROM drill ORDER BY source
                """
        ).map { row in
            let report: Data = row[8]
            return DrillRecord(
                source: row[0], time: row[1], images: row[2], listed: row[3], seen: row[4],
                restored: row[5], decoded: row[6], faults: row[7], report: [UInt8](report))
        }
    }

    /// How many images should be at a place, and their bytes.
    ///
    /// - Parameter last: Only images up to this `instance.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func drilledImages(
        at place: DrilledPlace, through last: Int64
    ) throws -> (images: Int64, bytes: Int64) {
        let (sql, argument) = place.images
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT count(*), coalesce(sum(bytes), 0) FROM instance
                WHERE id IN (\(sql)) AND id <= ?
                """, arguments: [argument, last])
        return row.map { ($0[0], $0[1]) } ?? (0, 0)
    }

    /// Some images of a place, ascending by id.
    ///
    /// - Parameters:
    ///   - id: After which to begin.
    ///   - last: Only images up to this `instance.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func drilledImages(
        at place: DrilledPlace, after id: Int64, through last: Int64, limit: Int
    ) throws -> [WantedImage] {
        let (sql, argument) = place.images
        return try images(
            "id IN (\(sql)) AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            [argument, id, last, limit])
    }

    /// The first and the last image that came to a place.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func drilledEnds(
        at place: DrilledPlace, through last: Int64
    ) throws -> (oldest: WantedImage, newest: WantedImage)? {
        let (sql, argument) = place.images
        let condition = "id IN (\(sql)) AND id <= ? ORDER BY id"
        guard
            let oldest = try images("\(condition) LIMIT 1", [argument, last]).first,
            let newest = try images("\(condition) DESC LIMIT 1", [argument, last]).first
        else { return nil }
        return (oldest, newest)
    }

    /// One image of each modality and year at a place.
    ///
    /// - Parameters:
    ///   - seed: Chooses which one.
    ///   - limit: The most groups.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func drilledGroups(
        at place: DrilledPlace, through last: Int64, seed: UInt32, limit: Int
    ) throws -> [(group: String, image: WantedImage)] {
        let (sql, argument) = place.images
        return try Row.fetchAll(
            db,
            sql: """
                SELECT instance.id, sha256, bytes, coalesce(modality, ''),
                       coalesce(substr(date, 1, 4), ''), max(\(Self.shuffled("instance.id")))
                FROM instance JOIN series ON series.id = instance.series
                WHERE instance.id IN (\(sql)) AND instance.id <= ?
                GROUP BY 4, 5 ORDER BY 6 LIMIT ?
                """, arguments: [Int64(seed), argument, last, limit]
        ).map { row in
            let sha256: Data = row[1]
            let (modality, year): (String, String) = (row[3], row[4])
            return (
                "\(modality.isEmpty ? "no modality" : modality) \(year.isEmpty ? "undated" : year)",
                WantedImage(id: row[0], sha256: [UInt8](sha256), bytes: row[2])
            )
        }
    }

    /// Images of a place by chance.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func drilledByChance(
        at place: DrilledPlace, through last: Int64, seed: UInt32, limit: Int
    ) throws -> [WantedImage] {
        let (sql, argument) = place.images
        return try images(
            "id IN (\(sql)) AND id <= ? ORDER BY \(Self.shuffled("id")) LIMIT ?",
            [argument, last, Int64(seed), limit])
    }

    /// A number for each row that looks like chance, and is the same for the same seed. The modulus
    /// is a prime; a product stays within 63 bits.
    private static func shuffled(_ column: String) -> String {
        "((\(column) % 2147483647) * (? % 1073741823 * 2 + 1)) % 2147483647"
    }

    private func images(
        _ condition: String, _ arguments: StatementArguments
    ) throws -> [WantedImage] {
        try Row.fetchAll(
            db, sql: "SELECT id, sha256, bytes FROM instance WHERE \(condition)",
            arguments: arguments
        ).map {
            let sha256: Data = $0[1]
            return WantedImage(id: $0[0], sha256: [UInt8](sha256), bytes: $0[2])
        }
    }

    /// Images in objects that the last listing of a remote has shown, and those whose objects have
    /// a hash of the server.
    ///
    /// - Parameters:
    ///   - remote: `remote.id`.
    ///   - last: Only images up to this `instance.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func listedImages(
        onRemote remote: Int64, through last: Int64
    ) throws -> (listed: Int64, hashed: Int64) {
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT count(*), count(object.hash) FROM offsite
                JOIN object ON object.id = offsite.object
                WHERE offsite.remote = ? AND instance <= ? AND fault IS NULL
                """, arguments: [remote, last])
        return row.map { ($0[0], $0[1]) } ?? (0, 0)
    }
}
