import DICOM
import Foundation
import GRDB

/// A study that matches a search.
public struct FoundStudy: Sendable {
    /// `study.id`.
    public var id: Int64
    /// `yyyy-MM-dd`; `nil` when undated.
    public var date: String?
    /// The attributes of its first series that matches.
    public var attributes: AttributeSet
    /// The different modalities of its series that match.
    public var modalities: [String]
    /// The number of its series that match.
    public var series: Int
    /// The number of images in these series.
    public var images: Int
    /// The path of its first matching series in each view that shows it.
    public var paths: [[String]]
}

/// Everything that the index knows about an archived image.
public struct ImageDetails: Sendable {
    /// `instance.id`.
    public var id: Int64
    /// The digest, 32 bytes.
    public var sha256: [UInt8]
    /// Size in bytes.
    public var bytes: Int64
    /// When it was archived, ns since 1970.
    public var received: Int64
    /// `HeaderFlags.rawValue`.
    public var flags: Int64
    /// Where it came from.
    public var source: String
    /// Its indexed attributes.
    public var attributes: AttributeSet
    /// The ordinal of each volume that holds it, and when that copy was last hashed, ns since 1970.
    public var copies: [(volume: Int, verified: Int64)]
    /// Its path in every view that shows it, the view's name first.
    public var paths: [[String]]
}

extension IndexReader {
    /// The studies that match a search, the newest first.
    ///
    /// - Parameters:
    ///   - query: The search.
    ///   - limit: The most studies to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func studies(_ query: SearchQuery, limit: Int) throws -> [FoundStudy] {
        var found: [FoundStudy] = []
        try matchingSeries(query) { series in
            let images =
                try Int.fetchOne(
                    db.cachedStatement(
                        sql: """
                            SELECT count(*) FROM instance WHERE series = ? AND \(Schema.isShown)
                            """),
                    arguments: [series.id]) ?? 0
            if let index = found.lastIndex(where: { $0.id == series.study }) {
                found[index].series += 1
                found[index].images += images
                if let modality = series.modality, !found[index].modalities.contains(modality) {
                    found[index].modalities.append(modality)
                }
            } else {
                if found.count == limit { return false }
                found.append(
                    FoundStudy(
                        id: series.study, date: series.date, attributes: try series.attributes,
                        modalities: [series.modality].compactMap { $0 }, series: 1, images: images,
                        paths: try paths(ofSeries: series.id).map(\.path)))
            }
            return true
        }
        return found
    }

    /// `study.id` of the studies that match a search, the newest first.
    ///
    /// - Parameters:
    ///   - query: The search.
    ///   - limit: The most studies to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func studyIDs(_ query: SearchQuery, limit: Int) throws -> [Int64] {
        var found: [Int64] = []
        var met: Set<Int64> = []
        try matchingSeries(query) { series in
            guard met.insert(series.study).inserted else { return true }
            found.append(series.study)
            return found.count < limit
        }
        return found
    }

    private struct MatchingSeries {
        var id: Int64
        var study: Int64
        var date: String?
        var modality: String?
        fileprivate var json: String

        var attributes: AttributeSet { get throws { try AttributeSet(json: json) } }
    }

    /// Calls `body` with the series that match, those of the newest studies first, until it
    /// returns false.
    private func matchingSeries(_ query: SearchQuery, _ body: (MatchingSeries) throws -> Bool)
        throws
    {
        var conditions: [String] = []
        var arguments: StatementArguments = []
        if let match = query.match {
            conditions.append("id IN (SELECT rowid FROM words WHERE words MATCH ?)")
            arguments += [match]
        }
        var exact: [(Attribute, String)] = []
        for term in query.terms {
            switch term {
            case .word: break
            case .days(let from, let to):
                conditions.append("date BETWEEN ? AND ?")
                arguments += [from, to]
            case .attribute(.seriesInstanceUID, let value):
                conditions.append("series_uid = ?")
                arguments += [value]
            case .attribute(.studyInstanceUID, let value):
                conditions.append("study_uid = ?")
                arguments += [value]
            case .attribute(.sopInstanceUID, let value):
                conditions.append("id IN (SELECT series FROM instance WHERE sop_uid = ?)")
                arguments += [value]
            case .attribute(let attribute, let value): exact.append((attribute, value))
            }
        }
        let rows = try Row.fetchCursor(
            db,
            sql: """
                SELECT id, study, date, modality, attributes FROM series
                WHERE \(conditions.isEmpty ? "1" : conditions.joined(separator: " AND "))
                ORDER BY date DESC, study DESC, id
                """, arguments: arguments)
        while let row = try rows.next() {
            let series = MatchingSeries(
                id: row[0], study: row[1], date: row[2], modality: row[3], json: row[4])
            if !exact.isEmpty {
                let attributes = try series.attributes
                guard exact.allSatisfy({ Self.matches(attributes[$0.0], $0.1) }) else { continue }
            }
            if try !body(series) { return }
        }
    }

    private static func matches(_ value: String?, _ wanted: String) -> Bool {
        guard let value else { return false }
        let options: String.CompareOptions = [.caseInsensitive, .diacriticInsensitive]
        return value.split(separator: "\\", omittingEmptySubsequences: false).contains { part in
            let part = String(part)
            if wanted.hasSuffix("*") {
                return part.range(of: wanted.dropLast(), options: options.union(.anchored)) != nil
            }
            // `name=smith` and `microchip=985…` ask for a component, not for the whole value.
            let components = part.split(whereSeparator: { "^=: ".contains($0) }).map(String.init)
            return ([part] + components).contains {
                $0.compare(wanted, options: options) == .orderedSame
            }
        }
    }

    /// Everything about an image; `nil` when there is none with this id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func details(_ id: Int64) throws -> ImageDetails? {
        guard
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT i.sha256, i.bytes, i.received, i.flags, i.source, i.attributes,
                           i.name, i.uid_name, i.series, s.attributes, \(Schema.isShown)
                    FROM instance i JOIN series s ON s.id = i.series WHERE i.id = ?
                    """, arguments: [id])
        else { return nil }
        let sha256: Data = row[0]
        let copies = try Row.fetchAll(
            db, sql: "SELECT volume, verified FROM copy WHERE instance = ? ORDER BY volume",
            arguments: [id])
        return ImageDetails(
            id: id, sha256: [UInt8](sha256), bytes: row[1], received: row[2], flags: row[3],
            source: row[4],
            attributes: try AttributeSet(json: row[9]).applying(AttributeSet(json: row[5])),
            copies: copies.map { ($0[0], $0[1]) },
            paths: try paths(ofSeries: row[8]).filter { $0.byUID || row[10] }
                .map { $0.path + [$0.byUID ? row[7] : row[6]] })
    }

    /// The images with a SOPInstanceUID, in the order of their arrival. There are several if
    /// several versions of the image were archived.
    ///
    /// - Parameters:
    ///   - sopInstanceUID: The UID.
    ///   - limit: The most images to return.
    /// - Returns: `instance.id` of each.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(sopInstanceUID: String, limit: Int = .max) throws -> [Int64] {
        let statement = try db.cachedStatement(
            sql: "SELECT id FROM instance WHERE sop_uid = ? ORDER BY id LIMIT ?")
        return try Int64.fetchAll(statement, arguments: [sopInstanceUID, limit])
    }

    /// The images with a SOPInstanceUID that are shown, in the order of their arrival: each has
    /// another data set.
    ///
    /// - Parameters:
    ///   - sopInstanceUID: The UID.
    ///   - id: `instance.id` after which to begin; 0 for all.
    ///   - limit: The most images to return.
    /// - Returns: `instance.id` of each.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func firstVersions(
        sopInstanceUID: String, after id: Int64 = 0, limit: Int
    ) throws -> [Int64] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id FROM instance WHERE sop_uid = ? AND id > ? AND \(Schema.isShown)
                ORDER BY id LIMIT ?
                """)
        return try Int64.fetchAll(statement, arguments: [sopInstanceUID, id, limit])
    }

    /// `instance.id` of the images of the series or study with a UID, ascending.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(seriesOrStudyUID uid: String) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT id FROM instance
                WHERE series IN (SELECT id FROM series WHERE series_uid = ?1 OR study_uid = ?1)
                ORDER BY id
                """, arguments: [uid])
    }
}

extension IndexReader {
    /// `instance.id` of the images that a directory of a view shows, and those below it, ascending.
    ///
    /// - Parameter node: `node.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(below node: Int64) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                WITH RECURSIVE below(id, series, by_uid) AS (
                  SELECT id, series, by_uid FROM node WHERE id = ?
                  UNION ALL
                  SELECT node.id, node.series, node.by_uid
                  FROM node JOIN below ON node.parent = below.id
                )
                SELECT instance.id FROM below JOIN instance ON instance.series = below.series
                WHERE by_uid OR \(Schema.isShown)
                ORDER BY instance.id
                """, arguments: [node])
    }

    /// `instance.id` of the images of a study that are shown, ascending.
    ///
    /// - Parameter study: `study.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(ofStudy study: Int64) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT instance.id FROM series JOIN instance ON instance.series = series.id
                WHERE series.study = ? AND \(Schema.isShown) ORDER BY instance.id
                """, arguments: [study])
    }

    /// `instance.id` of the images of a series that are shown, ascending.
    ///
    /// - Parameter series: `series.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(ofSeries series: Int64) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: "SELECT id FROM instance WHERE series = ? AND \(Schema.isShown) ORDER BY id",
            arguments: [series])
    }
}
