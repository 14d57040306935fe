import DICOM
import Foundation
import GRDB
import Naming

/// A directory of a view.
public struct Node: Sendable {
    /// `node.id`.
    public var id: Int64
    /// 0 for a view.
    public var parent: Int64
    public var name: String
    /// Its series, when it is a leaf.
    public var series: Int64?
    /// Whether its files are named by SOPInstanceUID.
    public var byUID: Bool
    /// When an entry was last added, ns since 1970.
    public var changed: Int64
}

/// What a file system says of an image.
public struct Image: Sendable {
    /// `instance.id`.
    public var id: Int64
    /// Its name in the directory it was looked up or listed in.
    public var name: String
    /// Size in bytes.
    public var bytes: Int64
    /// When it was archived, ns since 1970.
    public var received: Int64
    public var series: Int64
}

/// Look-ups, each an access by an index.
public struct IndexReader {
    let db: Database
    /// Images from this id on are passed over where one is asked for by its digest.
    var horizon = Int64.max

    // MARK: Directories

    private static let nodeColumns = """
        id, parent, name, series, by_uid,
        CASE WHEN series IS NULL THEN changed ELSE coalesce(
          (SELECT received FROM instance WHERE instance.series = node.series ORDER BY id DESC LIMIT 1),
          changed) END
        """

    private func node(_ row: Row) -> Node {
        Node(
            id: row[0], parent: row[1], name: row[2], series: row[3], byUID: row[4], changed: row[5]
        )
    }

    public func node(_ id: Int64) throws -> Node? {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.nodeColumns) FROM node WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id]).map(node)
    }

    /// What the files of a directory are, when it is a leaf; `series` is `nil` for others.
    /// The whole is `nil` when there is no such directory.
    public func contents(of id: Int64) throws -> (series: Int64?, byUID: Bool)? {
        let statement = try db.cachedStatement(sql: "SELECT series, by_uid FROM node WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id]).map { ($0[0], $0[1]) }
    }

    /// The directory in `parent` whose name folds to `folded` (PortableName.folded).
    public func node(in parent: Int64, folded: String) throws -> Node? {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.nodeColumns) FROM node WHERE parent = ? AND folded = ?")
        return try Row.fetchOne(statement, arguments: [parent, folded]).map(node)
    }

    /// Calls `body` with the directories in `parent` in the order they were made, those after
    /// `cookie` (an id), until it returns false.
    public func nodes(in parent: Int64, after cookie: Int64, _ body: (Node) -> Bool) throws {
        let statement = try db.cachedStatement(
            sql: "SELECT \(Self.nodeColumns) FROM node WHERE parent = ? AND id > ? ORDER BY id")
        let rows = try Row.fetchCursor(statement, arguments: [parent, cookie])
        while let row = try rows.next() {
            if !body(node(row)) { return }
        }
    }

    /// The first directory that shows an image; `nil` when there is no such image.
    public func leaf(ofImage id: Int64) throws -> Int64? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT node.id FROM instance JOIN node ON node.series = instance.series JOIN view ON view.node = node.view
                WHERE instance.id = ? ORDER BY place IS NULL, place LIMIT 1
                """)
        return try Int64.fetchOne(statement, arguments: [id])
    }

    // MARK: Images

    private func image(_ row: Row) -> Image {
        Image(id: row[0], name: row[1], bytes: row[2], received: row[3], series: row[4])
    }

    public func image(_ id: Int64) throws -> Image? {
        let statement = try db.cachedStatement(
            sql: "SELECT id, name, bytes, received, series FROM instance WHERE id = ?")
        return try Row.fetchOne(statement, arguments: [id]).map(image)
    }

    /// The image called `name`, ignoring ASCII case, in a leaf of `series`.
    public func image(inSeries series: Int64, name: String, byUID: Bool) throws -> Image? {
        let column = byUID ? "uid_name" : "name"
        let statement = try db.cachedStatement(
            sql:
                "SELECT id, \(column), bytes, received, series FROM instance WHERE series = ? AND \(column) = ?"
        )
        return try Row.fetchOne(statement, arguments: [series, name]).map(image)
    }

    /// Calls `body` with the images of `series` in the order they came, those after `cookie`
    /// (an id), until it returns false.
    public func images(
        inSeries series: Int64, byUID: Bool, after cookie: Int64, _ body: (Image) -> Bool
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT id, \(byUID ? "uid_name" : "name"), bytes, received, series
                FROM instance INDEXED BY instance_series WHERE series = ? AND id > ? ORDER BY id
                """)
        let rows = try Row.fetchCursor(statement, arguments: [series, cookie])
        while let row = try rows.next() {
            if !body(image(row)) { return }
        }
    }

    /// `instance.id` of the image with this digest (32 bytes).
    public func instance(sha256: [UInt8]) throws -> Int64? {
        let statement = try db.cachedStatement(sql: "SELECT id FROM instance WHERE sha256 = ?")
        return try Int64.fetchOne(statement, arguments: [Data(sha256)]).flatMap {
            $0 < horizon ? $0 : nil
        }
    }

    /// The file that was set aside from `source` with this digest.
    public func rejected(sha256: [UInt8], source: String) throws -> String? {
        let statement = try db.cachedStatement(
            sql: "SELECT path FROM rejected WHERE sha256 = ? AND source = ?")
        return try String.fetchOne(statement, arguments: [Data(sha256), source])
    }

    // MARK: The whole

    /// When the archive was begun, ns since 1970; 0 when it was not.
    public func created() throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT value FROM meta WHERE key = 'created'")
        return try String.fetchOne(statement).flatMap { Int64($0) } ?? 0
    }

    /// How far the ledger has been taken in; `nil` when nothing has.
    public func position() throws -> IndexedPosition? {
        try String.fetchOne(db, sql: "SELECT value FROM meta WHERE key = 'ledger'").flatMap {
            try? JSONDecoder().decode(IndexedPosition.self, from: Data($0.utf8))
        }
    }

    /// How many images there are, and their bytes.
    public func sums() throws -> (instances: Int64, bytes: Int64) {
        let statement = try db.cachedStatement(sql: "SELECT instances, bytes FROM totals")
        return try Row.fetchOne(statement).map { ($0[0], $0[1]) } ?? (0, 0)
    }

    public func totals() throws -> Totals {
        var totals = Totals()
        (totals.instances, totals.bytes) = try sums()
        totals.studies = try Int64.fetchOne(db, sql: "SELECT count(*) FROM study") ?? 0
        totals.patients = try Int64.fetchOne(db, sql: "SELECT count(*) FROM patient") ?? 0
        // What was archived later, after it was mended or moved back, is no longer set aside.
        totals.rejected =
            try Int64.fetchOne(
                db,
                sql: """
                    SELECT count(*) FROM rejected
                    WHERE NOT EXISTS (SELECT 1 FROM instance WHERE instance.sha256 = rejected.sha256)
                    """) ?? 0
        let histogram = try Row.fetchAll(db, sql: "SELECT copies, instances FROM copy_count")
        for row in histogram { totals.byCopies[row[0]] = row[1] }
        return totals
    }

    /// How many blobs `volume` holds.
    public func blobs(on volume: Int) throws -> Int64 {
        try Int64.fetchOne(
            db, sql: "SELECT count(*) FROM copy WHERE volume = ?", arguments: [volume]) ?? 0
    }
}

/// Sums over the archive.
public struct Totals: Sendable {
    public var instances: Int64 = 0
    public var bytes: Int64 = 0
    public var studies: Int64 = 0
    public var patients: Int64 = 0
    public var rejected: Int64 = 0
    /// How many instances have how many copies.
    public var byCopies: [Int: Int64] = [:]

    /// How many instances have fewer copies than so many.
    public func instances(withFewerThan copies: Int) -> Int64 {
        byCopies.filter { $0.key < copies }.values.reduce(0, +)
    }
}
