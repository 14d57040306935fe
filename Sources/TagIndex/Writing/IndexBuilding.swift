import Foundation
import GRDB
import Glibc
import Naming
import System

/// The memory of ``IndexWriter`` while it builds a whole index. It is bounded:
/// when a list is full it is written, or dropped and looked up again.
struct IndexBuilding {
    /// The key by which a directory is looked up.
    struct DirectoryKey: Hashable {
        var parent: Int64
        var folded: String
    }

    /// The most entries of each list.
    static let limit = 4096

    /// The id of the last image.
    var lastInstance: Int64 = 0
    /// `node.id` of directories that were made or found recently.
    var directories: [DirectoryKey: Int64] = [:]
    /// When directories got their last entry (ns since 1970), where that is not yet written.
    var touched: [Int64: Int64] = [:]
    /// SOPInstanceUID of the first image of series that were used recently.
    var firstUIDs: [Int64: String?] = [:]
}

extension TagIndex {
    /// Builds a whole index: first the rows, then the database indexes over them.
    ///
    /// Nothing else may open the file meanwhile. It is durable when this returns; when this throws
    /// or is interrupted, the file is useless.
    ///
    /// - Parameters:
    ///   - path: The file; an existing one is replaced.
    ///   - sorting: Whether the database indexes come after the rows. If not, all look-ups are
    ///     possible while rows are made, which takes several times as long.
    ///   - fill: Makes the rows.
    ///   - amend: Changes rows afterwards, when all look-ups are possible.
    /// - Throws: ``IndexError`` with code ``IndexError/Code/ambiguous`` when two images have the
    ///   same digest, or the same name in their series; with code `corrupt` when the file cannot be
    ///   written to disk; GRDB's `DatabaseError`; and the errors of `fill` and `amend`.
    public static func build(
        at path: String, sorting: Bool = true, _ fill: (IndexWriter) throws -> Void,
        amend: (IndexWriter) throws -> Void = { _ in }
    ) throws {
        for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            // A build that fails leaves nothing worth keeping. The cache is in KiB.
            try db.execute(
                sql: """
                    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                    PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -16384
                    """)
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        do {
            try queue.inTransaction { db in
                if sorting { try Schema.createTables(in: db) } else { try Schema.create(in: db) }
                let writer = try IndexWriter(db: db)
                if sorting { writer.building = IndexBuilding() }
                try fill(writer)
                try writer.finish()
                if sorting { try createIndexes(in: db) }
                let second = try IndexWriter(db: db)
                try amend(second)
                try second.finish()
                return .commit
            }
        } catch {
            try? queue.close()
            throw error
        }
        try queue.close()
        try sync(path)
    }

    private static func sync(_ path: String) throws {
        do throws(Errno) {
            let descriptor = try systemCall { Glibc.open(path, O_RDWR | O_CLOEXEC) }
            defer { _ = Glibc.close(descriptor) }
            try systemCall { fsync(descriptor) }
        } catch {
            throw IndexError(
                .corrupt, "The index could not be written to disk", path: path,
                remedy: "Is the disk of the archive's directory full, or read-only?", cause: error)
        }
    }

    private static func createIndexes(in db: Database) throws {
        do {
            try Schema.createIndexes(in: db)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            throw IndexError(
                .ambiguous, "Two images have the same digest or name",
                remedy: "Build the index one record after the other.", cause: error)
        }
    }
}

// Only while a whole index is built.
extension IndexWriter {
    /// Adds the next image without checking whether it is there.
    ///
    /// - Parameters:
    ///   - record: The image. Its id is replaced by the next one. Its `difference` has a
    ///     SOPInstanceUID even if that equals the one of the series' first image, which the caller
    ///     does not know.
    ///   - sopInstanceUID: The UID of the image.
    ///   - difference: `record.difference` as JSON.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func append(_ record: InstanceRecord, sopInstanceUID: String?, difference: String) throws
    {
        var record = record
        record.id = try nextInstance()
        let first = try firstUID(ofSeries: record.series)
        if first == sopInstanceUID, first != nil {
            record.difference = record.difference.without(.sopInstanceUID)
            try insert(record, sopInstanceUID: sopInstanceUID, difference: record.difference.json)
        } else if first != sopInstanceUID, sopInstanceUID == nil {
            record.difference[.sopInstanceUID] = nil
            try insert(record, sopInstanceUID: sopInstanceUID, difference: record.difference.json)
        } else {
            try insert(record, sopInstanceUID: sopInstanceUID, difference: difference)
        }
        building?.lastInstance = record.id
    }

    private func firstUID(ofSeries id: Int64) throws -> String? {
        if let known = building?.firstUIDs[id] { return known }
        let uid = try attributes(ofSeries: id)[.sopInstanceUID]
        remember(uid, ofSeries: id)
        return uid
    }

    /// Adds a series that another thread prepared, unless it is there.
    ///
    /// - Parameters:
    ///   - rows: The series.
    ///   - views: The views, which say how the files of a directory are named.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func append(_ rows: SeriesRows, views: [View]) throws {
        if try !hasSeries(rows.id, key: rows.key) { try apply(rows, views: views) }
    }

    func remember(_ firstUID: String?, ofSeries id: Int64) {
        if building?.firstUIDs.count ?? 0 >= IndexBuilding.limit { building?.firstUIDs = [:] }
        building?.firstUIDs[id] = .some(firstUID)
    }
}

// Directories that many series share.
extension IndexWriter {
    /// The directory in `parent` whose name folds to `folded`.
    func knownDirectory(_ folded: String, in parent: Int64) throws -> Int64? {
        let key = IndexBuilding.DirectoryKey(parent: parent, folded: folded)
        if let known = building?.directories[key] { return known }
        let found = try statements.findNode.bind(parent).bind(folded).number()
        if let found, building != nil {
            if building?.directories.count ?? 0 >= IndexBuilding.limit {
                building?.directories = [:]
            }
            building?.directories[key] = found
        }
        return found
    }

    /// Notes that a directory got an entry at `time`, ns since 1970.
    func touch(_ directory: Int64, at time: Int64) throws {
        guard building != nil else {
            return try statements.touchNode.bind(time).bind(directory).run()
        }
        building?.touched[directory] = time
        if building?.touched.count ?? 0 >= IndexBuilding.limit { try flushTouched() }
    }

    func flushTouched() throws {
        for (directory, time) in building?.touched ?? [:] {
            try statements.touchNode.bind(time).bind(directory).run()
        }
        building?.touched = [:]
    }
}
