import DICOM
import Foundation
import GRDB

/// A study that a search found.
public struct FoundStudy: Sendable {
    /// `study.id`.
    public var id: Int64
    /// `yyyy-MM-dd`; `nil` when undated.
    public var date: String?
    /// The attributes of its first series that fits.
    public var attributes: AttributeSet
    public var modalities: [String]
    /// How many series of it fit, and how many images those have.
    public var series: Int
    public var images: Int
    /// Where its first fitting series is shown, a path for each view that shows it.
    public var paths: [[String]]
}

/// An archived image with all that the index knows of it.
public struct ImageDetails: Sendable {
    /// `instance.id`.
    public var id: Int64
    public var sha256: [UInt8]
    public var bytes: Int64
    /// ns since 1970.
    public var received: Int64
    public var flags: Int64
    public var source: String
    public var attributes: AttributeSet
    /// Ordinal of each volume that holds it, and when that copy was last hashed, ns since 1970.
    public var copies: [(volume: Int, verified: Int64)]
    /// Its path in every view that shows it, the view's name first.
    public var paths: [[String]]
}

extension IndexReader {
    /// The studies that fit, the newest first, at most `limit`.
    public func studies(_ query: SearchQuery, limit: Int) throws -> [FoundStudy] {
        var found: [FoundStudy] = []
        try fittingSeries(query) { series in
            let images =
                try Int.fetchOne(
                    db.cachedStatement(sql: "SELECT count(*) FROM instance WHERE series = ?"),
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

    /// `study.id` of those that fit, the newest first, at most `limit`.
    public func studyIDs(_ query: SearchQuery, limit: Int) throws -> [Int64] {
        var found: [Int64] = []
        var met: Set<Int64> = []
        try fittingSeries(query) { series in
            guard met.insert(series.study).inserted else { return true }
            found.append(series.study)
            return found.count < limit
        }
        return found
    }

    private struct FittingSeries {
        var id: Int64
        var study: Int64
        var date: String?
        var modality: String?
        fileprivate var json: String

        var attributes: AttributeSet { get throws { try AttributeSet(json: json) } }
    }

    /// Calls `body` with the series that fit, those of the newest studies first, until it
    /// returns false.
    private func fittingSeries(_ query: SearchQuery, _ body: (FittingSeries) throws -> Bool) throws
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
            let series = FittingSeries(
                id: row[0], study: row[1], date: row[2], modality: row[3], json: row[4])
            if !exact.isEmpty {
                let attributes = try series.attributes
                guard exact.allSatisfy({ Self.fits(attributes[$0.0], $0.1) }) else { continue }
            }
            if try !body(series) { return }
        }
    }

    private static func fits(_ value: String?, _ wanted: String) -> Bool {
        guard let value else { return false }
        let options: String.CompareOptions = [.caseInsensitive, .diacriticInsensitive]
        return value.split(separator: "\\", omittingEmptySubsequences: false).contains { part in
            let part = String(part)
            if wanted.hasSuffix("*") {
                return part.range(of: wanted.dropLast(), options: options.union(.anchored)) != nil
            }
            // `name=smith` and `microchip=985…` mean a component, not the whole value.
            let components = part.split(whereSeparator: { "^=: ".contains($0) }).map(String.init)
            return ([part] + components).contains {
                $0.compare(wanted, options: options) == .orderedSame
            }
        }
    }

    /// All that is known of an image.
    public func details(_ id: Int64) throws -> ImageDetails? {
        guard
            let row = try Row.fetchOne(
                db,
                sql: """
                    SELECT i.sha256, i.bytes, i.received, i.flags, i.source, i.attributes,
                           i.name, i.uid_name, i.series, s.attributes
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
            paths: try paths(ofSeries: row[8]).map { $0.path + [$0.byUID ? row[7] : row[6]] })
    }

    /// The images with this SOPInstanceUID, in the order they came; several when versions of it
    /// were received.
    ///
    /// - parameter limit: how many at most
    public func instances(sopInstanceUID: String, limit: Int = .max) throws -> [Int64] {
        let statement = try db.cachedStatement(
            sql: "SELECT id FROM instance WHERE sop_uid = ? ORDER BY id LIMIT ?")
        return try Int64.fetchAll(statement, arguments: [sopInstanceUID, limit])
    }

    /// The images of a series or study with this UID.
    public func instances(seriesOrStudyUID uid: String) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT id FROM instance
                WHERE series IN (SELECT id FROM series WHERE series_uid = ?1 OR study_uid = ?1) ORDER BY id
                """, arguments: [uid])
    }
}

extension IndexReader {
    /// The images shown in a directory of a view and below it.
    public func instances(below node: Int64) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                WITH RECURSIVE below(id, series) AS (
                  SELECT id, series FROM node WHERE id = ?
                  UNION ALL
                  SELECT node.id, node.series FROM node JOIN below ON node.parent = below.id
                )
                SELECT instance.id FROM below JOIN instance ON instance.series = below.series ORDER BY instance.id
                """, arguments: [node])
    }

    /// The images of a study, as a search shows it.
    public func instances(ofStudy study: Int64) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT instance.id FROM series JOIN instance ON instance.series = series.id
                WHERE series.study = ? ORDER BY instance.id
                """, arguments: [study])
    }

    /// The images of a series.
    public func instances(ofSeries series: Int64) throws -> [Int64] {
        try Int64.fetchAll(
            db, sql: "SELECT id FROM instance WHERE series = ? ORDER BY id", arguments: [series])
    }
}
