import Foundation
import GRDB
import Naming

/// A view with the state of its directories.
public struct KnownView: Sendable, Equatable {
    /// The view.
    public var view: View
    /// `node.id` of its directory.
    public var node: Int64
    /// Whether users see it.
    public var isShown: Bool
    /// While it is not shown: the last `series.id` whose directories are made in it.
    public var made: Int64
}

// The views, and the paths in them.
extension IndexReader {
    /// The views that are shown, in their order; empty before views were set.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func views() throws -> [View] { try knownViews().filter(\.isShown).map(\.view) }

    /// All views that have directories: first those that are shown, in their order, then those
    /// that were shown or are being made.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func knownViews() throws -> [KnownView] {
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql: """
                    SELECT name, template, node, place, made FROM view
                    ORDER BY place IS NULL, place, node
                    """))
        return try rows.map { row in
            KnownView(
                view: View(name: row[0], template: try Template(row[1])), node: row[2],
                isShown: (row[3] as Int64?) != nil, made: row[4])
        }
    }

    /// When the views were last set, ns since 1970: the time of the root directory. 0 before views
    /// were set.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func viewsChanged() throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT value FROM meta WHERE key = 'arranged'")
        return try String.fetchOne(statement).flatMap { Int64($0) } ?? 0
    }

    /// The highest `series.id`, which is the number of series; 0 when there is none.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastSeries() throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'series'") ?? 0
    }

    /// The highest `instance.id`; 0 when there is none.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastInstance() throws -> Int64 {
        try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = 'instance'") ?? 0
    }

    /// The number of directories in a directory.
    ///
    /// - Parameter node: `node.id`; 0 for the root.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func count(in node: Int64) throws -> Int {
        try Int.fetchOne(
            db.cachedStatement(sql: "SELECT count(*) FROM node WHERE parent = ?"), arguments: [node]
        ) ?? 0
    }

    /// The number of views that show a series: the link count of its images.
    ///
    /// - Parameter series: `series.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func links(ofSeries series: Int64) throws -> Int {
        let statement = try db.cachedStatement(
            sql: """
                SELECT count(*) FROM node
                WHERE series = ? AND view IN (SELECT node FROM view WHERE place IS NOT NULL)
                """)
        return try Int.fetchOne(statement, arguments: [series]) ?? 0
    }

    /// The first images of the newest series, the newest first.
    ///
    /// - Parameter count: The most images to return.
    /// - Returns: `instance.id` of each.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func latest(_ count: Int) throws -> [Int64] {
        try Int64.fetchAll(
            db,
            sql: """
                SELECT first FROM (
                  SELECT id, (SELECT min(instance.id) FROM instance
                              WHERE instance.series = series.id) AS first
                  FROM series ORDER BY id DESC LIMIT ?)
                WHERE first IS NOT NULL ORDER BY id DESC
                """, arguments: [count])
    }

    /// The attributes that name the series of an image: those of its first image. `nil` when
    /// there is no image with this id.
    ///
    /// - Parameter instance: `instance.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func firstAttributes(ofSeriesOf instance: Int64) throws -> AttributeSet? {
        try String.fetchOne(
            db,
            sql: """
                SELECT attributes FROM series
                WHERE id = (SELECT series FROM instance WHERE id = ?)
                """, arguments: [instance]
        ).map { try AttributeSet(json: $0) }
    }

    /// The path of a directory: names from that of the view down. `nil` when the view is not shown.
    ///
    /// - Parameter id: `node.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
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
