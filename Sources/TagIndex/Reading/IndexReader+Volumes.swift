import Foundation
import GRDB

/// An image and the volumes of its copies.
public struct ImageCopies: Sendable {
    /// `instance.id`.
    public var id: Int64
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    /// Size in bytes.
    public var bytes: Int64
    /// Ordinals of the volumes that hold a copy, ascending.
    public var volumes: [Int]
}

// The volumes, and which of them holds which image.
extension IndexReader {
    /// All volumes that the archive has or had, ascending by ordinal.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func volumes() throws -> [VolumeRecord] {
        try Row.fetchAll(
            db, sql: "SELECT ordinal, id, domain, state, errors FROM volume ORDER BY ordinal"
        ).map {
            VolumeRecord(
                ordinal: $0[0], id: $0[1], domain: $0[2],
                state: VolumeState(rawValue: $0[3]) ?? .active, errors: $0[4])
        }
    }

    /// The volumes of the copies of an image; `nil` when there is no image with this id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func copies(of id: Int64) throws -> ImageCopies? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT sha256, bytes, volume
                FROM instance LEFT JOIN copy ON copy.instance = instance.id
                WHERE instance.id = ?
                """)
        let rows = try Row.fetchCursor(statement, arguments: [id])
        var result: ImageCopies?
        while let row = try rows.next() {
            if result == nil {
                let sha256: Data = row[0]
                result = ImageCopies(id: id, sha256: [UInt8](sha256), bytes: row[1], volumes: [])
            }
            if let volume: Int = row[2] { result?.volumes.append(volume) }
        }
        result?.volumes.sort()
        return result
    }

    /// Images with their volumes, ascending by id.
    ///
    /// - Parameters:
    ///   - id: `instance.id` after which to begin.
    ///   - limit: The most images to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func images(after id: Int64, limit: Int) throws -> [ImageCopies] {
        let ids = try Int64.fetchAll(
            db.cachedStatement(sql: "SELECT id FROM instance WHERE id > ? ORDER BY id LIMIT ?"),
            arguments: [id, limit])
        return try ids.compactMap { try copies(of: $0) }
    }

    /// When a copy was last hashed, ns since 1970; `nil` when there is no such copy.
    ///
    /// - Parameters:
    ///   - instance: `instance.id`.
    ///   - volume: The ordinal of the volume.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func verified(_ instance: Int64, on volume: Int) throws -> Int64? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT verified, sha256 FROM copy JOIN instance ON instance.id = copy.instance
                WHERE instance = ? AND volume = ?
                """)
        guard let row = try Row.fetchOne(statement, arguments: [instance, volume]) else {
            return nil
        }
        let sha256: Data = row[1]
        let scrubbed = try Int64.fetchOne(
            db.cachedStatement(sql: "SELECT time FROM scrubbed WHERE volume = ? AND folder = ?"),
            arguments: [volume, sha256.first ?? 0])
        return max(row[0], scrubbed ?? 0)
    }

    /// Images with too few copies, ordered by the number of copies, then by id.
    ///
    /// - Parameters:
    ///   - copies: The number of copies they should have.
    ///   - after: Where the last call ended.
    ///   - limit: The most images to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func underReplicated(
        below copies: Int, after: (copies: Int, id: Int64) = (-1, 0), limit: Int
    ) throws -> [(copies: Int, id: Int64)] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT copies, id FROM instance WHERE copies < ? AND (copies, id) > (?, ?)
                ORDER BY copies, id LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [copies, after.copies, after.id, limit]).map {
            ($0[0], $0[1])
        }
    }

    /// Images that have a copy on a volume, ascending by id.
    ///
    /// - Parameters:
    ///   - volume: Its ordinal.
    ///   - id: `instance.id` after which to begin.
    ///   - limit: The most images to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(on volume: Int, after id: Int64, limit: Int) throws -> [Int64] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT instance FROM copy WHERE volume = ? AND instance > ?
                ORDER BY instance LIMIT ?
                """)
        return try Int64.fetchAll(statement, arguments: [volume, id, limit])
    }

    /// The blobs of one folder that a volume should hold, ordered by digest.
    ///
    /// - Parameters:
    ///   - folder: The first byte of their digests.
    ///   - volume: The ordinal of the volume.
    ///   - digest: The digest (32 bytes) after which to begin; empty for all.
    ///   - limit: The most blobs to return.
    /// - Returns: `instance.id`, digest (32 bytes) and size in bytes.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func expected(
        in folder: UInt8, on volume: Int, after digest: [UInt8] = [], limit: Int
    ) throws -> [(id: Int64, sha256: [UInt8], bytes: Int64)] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, sha256, bytes FROM instance
                WHERE sha256 > ? AND sha256 >= ? AND sha256 < ?
                  AND EXISTS (SELECT 1 FROM copy WHERE volume = ? AND instance = instance.id)
                ORDER BY sha256 LIMIT ?
                """)
        // A BLOB is greater than each of its prefixes; 33 bytes of 255 are greater than any digest.
        let end = folder == 255 ? Data(repeating: 255, count: 33) : Data([folder + 1])
        return try Row.fetchAll(
            statement, arguments: [Data(digest), Data([folder]), end, volume, limit]
        ).map {
            let sha256: Data = $0[1]
            return ($0[0], [UInt8](sha256), $0[2])
        }
    }

    /// The last scrub of each folder of a volume; folders that were never scrubbed are left out.
    ///
    /// - Parameter volume: Its ordinal.
    /// - Returns: By folder (the first byte of the digests): when it was scrubbed, ns since 1970,
    ///   and the number of bad copies found.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func scrubs(of volume: Int) throws -> [UInt8: (time: Int64, errors: Int64)] {
        var result: [UInt8: (time: Int64, errors: Int64)] = [:]
        for row in try Row.fetchAll(
            db, sql: "SELECT folder, time, errors FROM scrubbed WHERE volume = ?",
            arguments: [volume])
        {
            result[row[0]] = (row[1], row[2])
        }
        return result
    }

}

// Images that cannot be read because a volume is absent.
extension IndexReader {
    private func hasNoCopy(on volumes: [Int]) -> String {
        """
        NOT EXISTS (SELECT 1 FROM copy WHERE copy.instance = instance.id
                    AND copy.volume IN (\(volumes.map(String.init).joined(separator: ", "))))
        """
    }

    /// Calls `body` with the images that have no copy on any of `volumes`, in the order of their
    /// arrival. Reads all rows.
    ///
    /// - Parameters:
    ///   - volumes: Ordinals.
    ///   - body: Takes `instance.id`, and returns whether to go on.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(missingOn volumes: [Int], _ body: (Int64) throws -> Bool) throws {
        let ids = try Int64.fetchCursor(
            db, sql: "SELECT id FROM instance WHERE \(hasNoCopy(on: volumes)) ORDER BY id")
        while let id = try ids.next() {
            if try !body(id) { return }
        }
    }
}

// Images whose copies lie on fewer disks than they should.
extension IndexReader {
    /// For each image with a copy on one of the volumes, the number of disks that it is on. The
    /// rows of `copy` by image are an index of their own.
    ///
    /// - Parameter disks: The disk of each volume, by its ordinal.
    private func disksOfImages(_ disks: [Int: Int], after id: Int64 = 0) -> String {
        let cases = disks.sorted { $0.key < $1.key }.map { "WHEN \($0.key) THEN \($0.value)" }
        let volumes = disks.keys.sorted().map(String.init).joined(separator: ", ")
        return """
            SELECT instance,
                   count(DISTINCT CASE volume \(cases.joined(separator: " ")) END) AS disks
            FROM copy WHERE instance > \(id) AND volume IN (\(volumes)) GROUP BY instance
            """
    }

    /// Images whose copies are on too few disks, ascending by id.
    ///
    /// - Parameters:
    ///   - count: The number of disks that they should be on.
    ///   - disks: The disk of each volume, by its ordinal; copies on other volumes do not count.
    ///   - id: `instance.id` after which to begin.
    ///   - limit: The most images to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func images(
        onFewerDisksThan count: Int, _ disks: [Int: Int], after id: Int64, limit: Int
    ) throws -> [Int64] {
        guard !disks.isEmpty else { return [] }
        return try Int64.fetchAll(
            db,
            sql: """
                SELECT instance FROM (\(disksOfImages(disks, after: id)))
                WHERE disks < ? ORDER BY instance LIMIT ?
                """, arguments: [count, limit])
    }
}
