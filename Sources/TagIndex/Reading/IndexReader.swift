import DICOM
import Foundation
import GRDB
import Naming

/// A directory of a view, as the index knows it.
public struct Node: Sendable {
    /// `node.id`.
    public var id: Int64
    /// `node.id` of the directory around it; 0 for the directory of a view.
    public var parent: Int64
    /// Its name, as it is shown.
    public var name: String
    /// `series.id` when it is a leaf, whose files are images; `nil` otherwise.
    public var series: Int64?
    /// Whether its files are named by SOPInstanceUID.
    public var byUID: Bool
    /// When an entry was last added, ns since 1970.
    public var changed: Int64
}

/// The attributes of an image that a file system shows.
public struct Image: Sendable {
    /// `instance.id`.
    public var id: Int64
    /// Its name in the directory it was looked up or listed in.
    public var name: String
    /// Size in bytes.
    public var bytes: Int64
    /// When it was archived, ns since 1970.
    public var received: Int64
    /// `series.id`.
    public var series: Int64
    /// Whether it is shown in all views, and not in those by UID alone: see ``Schema/isShown``.
    public var isShown: Bool
}

/// Questions to the index. Each is answered through a database index, unless its comment says
/// that it reads all rows.
///
/// A reader is good only inside ``TagIndex/read(_:)`` or ``TagIndex/write(_:)``. Each of its
/// functions throws GRDB's `DatabaseError` when SQLite fails; ``TagIndex/read(_:)`` turns damage
/// into an ``IndexError``.
public struct IndexReader {
    let db: Database
    /// Images from this id on are ignored by ``instance(sha256:)``.
    var hiddenFrom = Int64.max

    // MARK: Directories

    private static let nodeColumns = """
        id, parent, name, series, by_uid,
        CASE WHEN series IS NULL THEN changed ELSE coalesce(
          (SELECT received FROM instance WHERE instance.series = node.series
           ORDER BY id DESC LIMIT 1), changed) END
        """

    private func node(_ row: Row) -> Node {
        Node(
            id: row[0], parent: row[1], name: row[2], series: row[3], byUID: row[4], changed: row[5]
        )
    }

    /// A directory; `nil` when there is none with this id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func node(_ id: Int64) throws -> Node? {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.nodeColumns) FROM node WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id]).map(node)
    }

    /// Which files a directory shows.
    ///
    /// - Parameter id: `node.id`.
    /// - Returns: `series`: `series.id` of a leaf, `nil` for other directories. `byUID`: whether
    ///   its files are named by SOPInstanceUID. `nil` when there is no such directory.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func contents(of id: Int64) throws -> (series: Int64?, byUID: Bool)? {
        let statement = try db.cachedStatement(sql: "SELECT series, by_uid FROM node WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id]).map { ($0[0], $0[1]) }
    }

    /// The directory in `parent` whose name has a given folded form.
    ///
    /// - Parameters:
    ///   - parent: `node.id`; 0 for the root.
    ///   - folded: ``PortableName/folded(_:)`` of the name.
    /// - Returns: `nil` when there is none.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func node(in parent: Int64, folded: String) throws -> Node? {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.nodeColumns) FROM node WHERE parent = ? AND folded = ?")
        return try Row.fetchOne(statement, arguments: [parent, folded]).map(node)
    }

    /// Calls `body` with the directories in `parent`, in the order of their creation.
    ///
    /// - Parameters:
    ///   - parent: `node.id`; 0 for the root.
    ///   - cookie: `node.id` after which to begin; 0 for all.
    ///   - body: Returns whether to go on.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func nodes(in parent: Int64, after cookie: Int64, _ body: (Node) -> Bool) throws {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.nodeColumns) FROM node WHERE parent = ? AND id > ? ORDER BY id")
        let rows = try Row.fetchCursor(statement, arguments: [parent, cookie])
        while let row = try rows.next() {
            if !body(node(row)) { return }
        }
    }

    /// `node.id` of the first directory that shows an image; `nil` when there is no such image.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func leaf(ofImage id: Int64) throws -> Int64? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT node.id FROM instance JOIN node ON node.series = instance.series
                JOIN view ON view.node = node.view
                WHERE instance.id = ? AND (by_uid OR \(Schema.isShown))
                ORDER BY place IS NULL, place LIMIT 1
                """)
        return try Int64.fetchOne(statement, arguments: [id])
    }

    // MARK: Images

    private func image(_ row: Row) -> Image {
        Image(
            id: row[0], name: row[1], bytes: row[2], received: row[3], series: row[4],
            isShown: row[5])
    }

    /// An image, named as in most views; `nil` when there is none with this id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func image(_ id: Int64) throws -> Image? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, name, bytes, received, series, \(Schema.isShown) FROM instance
                WHERE id = ?
                """)
        return try Row.fetchOne(statement, arguments: [id]).map(image)
    }

    /// The image called `name`, ignoring ASCII case, in a leaf of `series`.
    ///
    /// - Parameters:
    ///   - series: `series.id`.
    ///   - name: The name of the file.
    ///   - byUID: Whether the files of the leaf are named by SOPInstanceUID.
    /// - Returns: `nil` when there is none.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func image(inSeries series: Int64, name: String, byUID: Bool) throws -> Image? {
        let column = byUID ? "uid_name" : "name"
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, \(column), bytes, received, series, \(Schema.isShown) FROM instance
                WHERE series = ? AND \(column) = ? \(byUID ? "" : "AND \(Schema.isShown)")
                """)
        return try Row.fetchOne(statement, arguments: [series, name]).map(image)
    }

    /// Calls `body` with the images of a series, in the order of their arrival.
    ///
    /// - Parameters:
    ///   - series: `series.id`.
    ///   - byUID: Whether they are named by SOPInstanceUID. If not, only one of several versions
    ///     of an image is among them, the first.
    ///   - cookie: `instance.id` after which to begin; 0 for all.
    ///   - body: Returns whether to go on.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func images(
        inSeries series: Int64, byUID: Bool, after cookie: Int64, _ body: (Image) -> Bool
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, \(byUID ? "uid_name" : "name"), bytes, received, series,
                       \(Schema.isShown)
                FROM instance INDEXED BY instance_series
                WHERE series = ? AND id > ? \(byUID ? "" : "AND \(Schema.isShown)") ORDER BY id
                """)
        let rows = try Row.fetchCursor(statement, arguments: [series, cookie])
        while let row = try rows.next() {
            if !body(image(row)) { return }
        }
    }

    /// `instance.id` of the image with a digest (32 bytes); `nil` when there is none.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instance(sha256: [UInt8]) throws -> Int64? {
        let statement = try db.cachedStatement(sql: "SELECT id FROM instance WHERE sha256 = ?")
        return try Int64.fetchOne(statement, arguments: [Data(sha256)]).flatMap {
            $0 < hiddenFrom ? $0 : nil
        }
    }

    /// Where the rejected file with a digest lies.
    ///
    /// - Parameters:
    ///   - sha256: 32 bytes.
    ///   - source: Where the file came from.
    /// - Returns: Its path below `/rejected`; `nil` when no such file was rejected.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func rejected(sha256: [UInt8], source: String) throws -> String? {
        let statement = try db.cachedStatement(
            sql: "SELECT path FROM rejected WHERE sha256 = ? AND source = ?")
        return try String.fetchOne(statement, arguments: [Data(sha256), source])
    }

    /// Rejected files that were not archived later, ascending by id.
    ///
    /// - Parameters:
    ///   - id: After which to begin.
    ///   - limit: The most files to return.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func rejectedFiles(after id: Int64, limit: Int) throws -> [RejectedFile] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, sha256, bytes, path FROM rejected
                WHERE id > ? AND NOT EXISTS
                  (SELECT 1 FROM instance WHERE instance.sha256 = rejected.sha256)
                ORDER BY id LIMIT ?
                """)
        return try Row.fetchAll(statement, arguments: [id, limit]).map {
            let sha256: Data = $0[1]
            return RejectedFile(id: $0[0], sha256: [UInt8](sha256), bytes: $0[2], path: $0[3])
        }
    }

    // MARK: The ledger

    /// How far the ledger is in the index; `nil` when nothing of it is.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func position() throws -> IndexedPosition? {
        try String.fetchOne(
            db.cachedStatement(sql: "SELECT value FROM meta WHERE key = 'ledger'")
        ).flatMap { try? JSONDecoder().decode(IndexedPosition.self, from: Data($0.utf8)) }
    }

    /// The number of the last record in the index; 0 before the first. Asked before every batch.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastRecord() throws -> UInt64 {
        try UInt64.fetchOne(
            db.cachedStatement(
                sql: "SELECT value ->> 'number' FROM meta WHERE key = 'ledger'")) ?? 0
    }

}
