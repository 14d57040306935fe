import Foundation
import GRDB
import Naming

// The views and their directories.
extension IndexWriter {
    /// Sets the views that are shown, in this order. A new view gets its directory; a view that is
    /// no longer shown keeps its directories.
    ///
    /// Series that arrived while a view was not shown are not in it. Add them before, with
    /// ``addPaths(in:atMost:time:)``.
    ///
    /// - Parameters:
    ///   - views: The views.
    ///   - time: When this was decided, ns since 1970.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func setViews(_ views: [View], at time: Int64) throws {
        let known = try reader.knownViews()
        let last = try nextID(of: "series") - 1
        for old in known where old.isShown && !views.contains(old.view) {
            try db.execute(
                sql: "UPDATE node SET parent = -1, folded = ? WHERE id = ?",
                arguments: [Self.hiddenKey(old.view), old.node])
            try db.execute(
                sql: "UPDATE view SET place = NULL, made = ? WHERE node = ?",
                arguments: [last, old.node])
        }
        for (index, view) in views.enumerated() {
            let old = known.first { $0.view == view }
            let node: Int64
            if let old {
                node = old.node
                if !old.isShown {
                    try db.execute(
                        sql: "UPDATE node SET parent = 0, folded = ? WHERE id = ?",
                        arguments: [PortableName.folded(view.name), node])
                }
            } else {
                node = try makeDirectory(
                    of: view, in: 0, folded: PortableName.folded(view.name), at: time)
            }
            try db.execute(
                sql: "UPDATE view SET place = ? WHERE node = ?", arguments: [index + 1, node])
        }
        try db.execute(
            sql: "INSERT OR IGNORE INTO meta VALUES ('created', ?)", arguments: [String(time)])
        try db.execute(
            sql: "INSERT OR REPLACE INTO meta VALUES ('arranged', ?)", arguments: [String(time)])
        // The keys of some directories have changed.
        building?.directories = [:]
        changedNodes.insert(0)
    }

    /// The key of the directory of a view that is not shown, below parent -1. Two such views may
    /// have had the same name, so the template belongs to the key; U+001F is in no name of a
    /// directory.
    private static func hiddenKey(_ view: View) -> String { "\(view.name)\u{1F}\(view.template)" }

    private func makeDirectory(of view: View, in parent: Int64, folded: String, at time: Int64)
        throws -> Int64
    {
        try statements.insertNode.bind(parent).bind(view.name).bind(folded).bind(nil as Int64?)
            .bind(nil as Int64?)
            .bind(0).bind(time).run()
        let node = db.lastInsertedRowID
        try db.execute(
            sql: "INSERT INTO view(node, name, template, made) VALUES (?, ?, ?, 0)",
            arguments: [node, view.name, view.template.description])
        return node
    }

    /// The directory of a view that is not shown, made if necessary.
    private func hiddenDirectory(of view: View, at time: Int64) throws -> (node: Int64, made: Int64)
    {
        if let known = try reader.knownViews().first(where: { $0.view == view }) {
            return (known.node, known.made)
        }
        return (try makeDirectory(of: view, in: -1, folded: Self.hiddenKey(view), at: time), 0)
    }

    // MARK: Series in a view that is not shown

    /// Decides the paths of the next series that are not yet in a view, the oldest first, and makes
    /// their directories. They stay invisible until the view is shown.
    ///
    /// - Parameters:
    ///   - view: The view.
    ///   - limit: The most series to examine, including those that the view leaves out.
    ///   - time: Of the record in the ledger, ns since 1970.
    /// - Returns: The record for the ledger; `nil` when no series is missing.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func addPaths(in view: View, atMost limit: Int, time: Int64) throws -> PathsRecord? {
        let made = try reader.knownViews().first { $0.view == view }?.made ?? 0
        let rows = try Row.fetchAll(
            db.cachedStatement(
                sql: "SELECT id, key, attributes FROM series WHERE id > ? ORDER BY id LIMIT ?"),
            arguments: [made, limit])
        guard let last = rows.last else { return nil }
        let root = try hiddenDirectory(of: view, at: time).node
        var record = PathsRecord(view: view, through: last[0], time: time)
        for row in rows {
            let path = try path(of: AttributeSet(json: row[2]), key: row[1], in: view, at: root)
            guard let path else { continue }
            record.paths.append((row[0], path))
            try showSeries(
                row[0], at: path.map(DirectoryName.init)[...], inViewAt: root,
                naming: view.fileNaming, time: time)
        }
        try noteMade(record, at: root)
        return record
    }

    /// Makes the directories of a record.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: PathsRecord) throws {
        let (root, made) = try hiddenDirectory(of: record.view, at: record.time)
        // A series that was recorded twice, after an error: the first record counts.
        for (series, path) in record.paths where series > made {
            try showSeries(
                series, at: path.map(DirectoryName.init)[...], inViewAt: root,
                naming: record.view.fileNaming,
                time: record.time)
        }
        if record.through > made { try noteMade(record, at: root) }
    }

    private func noteMade(_ record: PathsRecord, at root: Int64) throws {
        try db.execute(
            sql: "UPDATE view SET made = ? WHERE node = ?", arguments: [record.through, root])
    }

    // MARK: Paths

    /// The path of a series below a view. Directories that exist keep their spelling; the leaf gets
    /// a name that is free.
    ///
    /// - Parameters:
    ///   - attributes: Those of the series.
    ///   - key: The key of the series, from which a suffix is made.
    ///   - view: The view.
    ///   - root: `node.id` of the view; `nil` while it has no directory.
    /// - Returns: `nil` when the view leaves the series out.
    func path(of attributes: AttributeSet, key: String, in view: View, at root: Int64?) throws
        -> [String]?
    {
        guard !view.template.leavesOut(attributes) else { return nil }
        var path = view.template.components(for: attributes)
        let leaf = path.removeLast()
        var parent = root
        for level in path.indices {
            let existing = try parent.flatMap {
                try reader.node(in: $0, folded: PortableName.folded(path[level]))
            }
            if let existing { path[level] = existing.name }
            parent = existing?.id
        }
        guard let parent else { return path + [leaf] }
        let tag = StableHash.hex(key)
        return path + [
            try PortableName.firstFree(leaf, tag: tag) {
                try reader.node(in: parent, folded: PortableName.folded($0)) == nil
            }
        ]
    }

    /// Makes the directories of a series below a view.
    func showSeries(
        _ series: Int64, at path: ArraySlice<DirectoryName>, inViewAt root: Int64,
        naming: FileNaming, time: Int64
    ) throws {
        guard let leaf = path.last else { return }
        var parent = root
        for name in path.dropLast() { parent = try directory(name, in: parent, at: time) }
        try insertDirectory(
            leaf, in: parent, series: (series, view: root), byUID: naming == .sopInstanceUID,
            at: time)
    }

    /// `node.id` of a directory that is not a leaf, made if necessary.
    func directory(_ name: DirectoryName, in parent: Int64, at time: Int64) throws -> Int64 {
        if let existing = try knownDirectory(name.folded, in: parent) { return existing }
        return try insertDirectory(name, in: parent, series: nil, byUID: false, at: time)
    }

    @discardableResult
    private func insertDirectory(
        _ name: DirectoryName, in parent: Int64, series: (id: Int64, view: Int64)?, byUID: Bool,
        at time: Int64
    ) throws -> Int64 {
        try statements.insertNode.bind(parent).bind(name.shown).bind(name.folded).bind(series?.id)
            .bind(series?.view)
            .bind(byUID ? 1 : 0).bind(time).run()
        let id = db.lastInsertedRowID
        if parent > 0 { try touch(parent, at: time) }
        if building == nil { changedNodes.insert(parent) }
        return id
    }
}
