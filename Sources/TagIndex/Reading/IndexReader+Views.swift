import Foundation
import GRDB
import Naming

/// A view as the index has it.
public struct KnownView: Sendable, Equatable {
    public var view: View
    /// `node.id` of its directory.
    public var node: Int64
    public var isShown: Bool
    /// While it is not shown: the series up to this `series.id` are in it.
    public var made: Int64
}

// The views, and where they show things.
extension IndexReader {
    /// The views that are shown, in their order; empty when none were set.
    public func views() throws -> [View] { try knownViews().filter(\.isShown).map(\.view) }

    /// All views that the index has directories of: those that are shown in their order, then
    /// those that were, or are being made.
    public func knownViews() throws -> [KnownView] {
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql:
                    "SELECT name, template, node, place, made FROM view ORDER BY place IS NULL, place, node"
            ))
        return try rows.map { row in
            KnownView(
                view: View(name: row[0], template: try Template(row[1])), node: row[2],
                isShown: (row[3] as Int64?) != nil, made: row[4])
        }
    }

    /// When the views were last set, ns since 1970: the time of the root. 0 when they never were.
    public func arranged() throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT value FROM meta WHERE key = 'arranged'")
        return try String.fetchOne(statement).flatMap { Int64($0) } ?? 0
    }

    /// The highest `series.id`: how many series there are.
    public func lastSeries() throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'series'") ?? 0
    }

    /// The highest `instance.id`.
    public func lastInstance() throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'instance'") ?? 0
    }

    /// How many directories lie in a directory.
    public func count(in node: Int64) throws -> Int {
        try Int.fetchOne(
            db.cachedStatement(sql: "SELECT count(*) FROM node WHERE parent = ?"), arguments: [node]
        ) ?? 0
    }

    /// How many views show a series: as many names has each of its images.
    public func links(ofSeries series: Int64) throws -> Int {
        let statement = try db.cachedStatement(
            sql: """
                SELECT count(*) FROM node
                WHERE series = ? AND view IN (SELECT node FROM view WHERE place IS NOT NULL)
                """)
        return try Int.fetchOne(statement, arguments: [series]) ?? 0
    }

    /// The first images of the series that came last, the latest first.
    public func latest(_ count: Int) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT first FROM (
                  SELECT id, (SELECT min(instance.id) FROM instance WHERE instance.series = series.id) AS first
                  FROM series ORDER BY id DESC LIMIT ?)
                WHERE first IS NOT NULL ORDER BY id DESC
                """, arguments: [count])
    }

    /// The attributes by which the series of an image is shown: those of its first image.
    public func firstAttributes(ofSeriesOf instance: Int64) throws -> AttributeSet? {
        try String.fetchOne(
            db,
            sql:
                "SELECT attributes FROM series WHERE id = (SELECT series FROM instance WHERE id = ?)",
            arguments: [instance]
        ).map { try AttributeSet(json: $0) }
    }

    /// The names from the view down to `node`, the view's first; `nil` when the view is not shown.
    public func path(of id: Int64) throws -> [String]? {
        var names: [String] = []
        var current = id
        while current > 0, let node = try node(current) {
            names.append(node.name)
            current = node.parent
        }
        return current == 0 ? names.reversed() : nil
    }

    /// The directories of a series in the views that show it, in the order of the views.
    func paths(ofSeries series: Int64) throws -> [(path: [String], byUID: Bool)] {
        let leaves = try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT node.id, by_uid FROM node JOIN view ON view.node = node.view
                    WHERE series = ? AND place IS NOT NULL ORDER BY place
                    """),
            arguments: [series])
        return try leaves.compactMap { leaf in try path(of: leaf[0]).map { ($0, leaf[1]) } }
    }
}
