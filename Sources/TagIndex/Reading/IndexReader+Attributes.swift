import DICOM
import Foundation
import GRDB

/// The values of the extended attributes of an image.
public struct ImageFacts: Sendable {
    /// Its indexed attributes.
    public var attributes: AttributeSet
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    /// When it was archived, ns since 1970.
    public var received: Int64
    /// Where it came from.
    public var source: String
    /// The number of volumes that hold a copy.
    public var copies: Int
    /// When its copies were last hashed: the oldest of these times, ns since 1970; `nil` without a
    /// copy.
    public var verified: Int64?
}

extension IndexReader {
    /// Everything about an image except its paths; `nil` when there is none with this id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func facts(_ id: Int64) throws -> ImageFacts? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT i.sha256, i.received, i.source, i.attributes, s.attributes
                FROM instance i JOIN series s ON s.id = i.series WHERE i.id = ?
                """)
        guard let row = try Row.fetchOne(statement, arguments: [id]) else { return nil }
        let sha256: Data = row[0]
        let copies = try Row.fetchOne(
            db.cachedStatement(
                sql: """
                    SELECT count(*), min(max(c.verified, coalesce(s.time, 0)))
                    FROM copy c LEFT JOIN scrubbed s ON s.volume = c.volume AND s.folder = ?
                    WHERE c.instance = ?
                    """), arguments: [sha256.first ?? 0, id])
        return ImageFacts(
            attributes: try AttributeSet(json: row[4]).applying(AttributeSet(json: row[3])),
            sha256: [UInt8](sha256), received: row[1], source: row[2], copies: copies?[0] ?? 0,
            verified: copies?[1])
    }
}
