import DICOM
import Foundation
import GRDB

/// What an image can be asked for by its extended attributes.
public struct ImageFacts: Sendable {
    public var attributes: AttributeSet
    /// 32 bytes.
    public var sha256: [UInt8]
    /// When it was archived, ns since 1970.
    public var received: Int64
    /// Where it came from.
    public var source: String
    /// How many volumes hold a copy.
    public var copies: Int
    /// When the copy was hashed whose turn is longest ago, ns since 1970; `nil` without a copy.
    public var verified: Int64?
}

extension IndexReader {
    /// What is known of an image but for its paths; `nil` when there is none.
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
