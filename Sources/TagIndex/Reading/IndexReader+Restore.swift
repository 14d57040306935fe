import Foundation
import GRDB

/// Which images a restore brings back; those that are `nil` do not matter.
public struct RestoreSelection: Hashable, Sendable {
    /// A StudyInstanceUID.
    public var study: String?
    /// A PatientID.
    public var patient: String?
    /// The first day, or a beginning of it: `2025`, `2025-03`, `2025-03-14`.
    public var since: String?

    public init(study: String? = nil, patient: String? = nil, since: String? = nil) {
        (self.study, self.patient, self.since) = (study, patient, since)
    }
}

/// An image as a restore sees it.
public struct WantedImage: Hashable, Sendable {
    /// `instance.id`.
    public var id: Int64
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    /// Size in bytes.
    public var bytes: Int64
}

// In which order images are brought back, and which.
extension IndexReader {
    /// `series.id` of the series of a selection: those of the newest study first, undated ones at
    /// the end. Reads all rows of series.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func seriesNewestFirst(
        _ selection: RestoreSelection = RestoreSelection()
    ) throws -> [Int64] {
        var conditions: [String] = []
        var arguments = StatementArguments()
        if let study = selection.study {
            conditions.append("study_uid = ?")
            arguments += [study]
        }
        if let patient = selection.patient {
            conditions.append("json_extract(attributes, '$.PatientID') = ?")
            arguments += [patient]
        }
        if let since = selection.since {
            conditions.append("date >= ?")
            arguments += [since]
        }
        let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        return try Int64.fetchAll(
            db,
            sql: """
                SELECT id FROM series
                JOIN (SELECT study AS dated, max(date) AS newest FROM series GROUP BY study)
                  ON dated = study
                \(condition)
                ORDER BY newest IS NULL, newest DESC, study DESC, id
                """, arguments: arguments)
    }

    /// The images of a series, in the order of their arrival.
    ///
    /// - Parameters:
    ///   - series: `series.id`.
    ///   - lacking: Only those without any copy.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func wantedImages(inSeries series: Int64, lacking: Bool) throws -> [WantedImage] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, sha256, bytes FROM instance WHERE series = ?
                \(lacking ? "AND copies = 0" : "") ORDER BY id
                """)
        return try Row.fetchAll(statement, arguments: [series]).map {
            let sha256: Data = $0[1]
            return WantedImage(id: $0[0], sha256: [UInt8](sha256), bytes: $0[2])
        }
    }

    /// How many images have no copy at all, and their bytes.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lackingImages() throws -> (images: Int64, bytes: Int64) {
        let row = try Row.fetchOne(
            db, sql: "SELECT count(*), coalesce(sum(bytes), 0) FROM instance WHERE copies = 0")
        return row.map { ($0[0], $0[1]) } ?? (0, 0)
    }
}
