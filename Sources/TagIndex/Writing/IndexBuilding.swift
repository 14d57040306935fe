import Foundation
import GRDB
import Glibc
import Naming

/// What ``IndexWriter`` keeps in memory while an index is made as a whole. It is bounded: what
/// becomes too much is written, or looked up again.
struct IndexBuilding {
    struct Place: Hashable {
        var parent: Int64
        var folded: String
    }

    static let limit = 4096

    /// The id of the last image.
    var lastInstance: Int64 = 0
    /// Directories that were made or found lately.
    var directories: [Place: Int64] = [:]
    /// When directories got their last entry, where that is not written yet.
    var touched: [Int64: Int64] = [:]
    /// SOPInstanceUID of the first image of series that were met lately.
    var firstUIDs: [Int64: String?] = [:]
}

extension TagIndex {
    /// Makes an index as a whole: rows first, the indexes over them afterwards.
    ///
    /// Nobody else may look at the file meanwhile. It is durable when this returns; when this
    /// throws, or is interrupted, it is worth nothing.
    ///
    /// - parameters:
    ///   - path: a file there is replaced
    ///   - sorting: whether the indexes come after the rows; when not, everything can be looked
    ///     up while rows are made, at several times the price
    ///   - fill: makes rows
    ///   - amend: changes rows, when all look-ups are possible
    /// - throws: ``IndexError`` with code ``IndexError/Code/ambiguous`` when two images have the
    ///   same digest or the same name in their series, and what `fill` and `amend` throw.
    public static func build(
        at path: String, sorting: Bool = true, _ fill: (IndexWriter) throws -> Void,
        amend: (IndexWriter) throws -> Void = { _ in }
    ) throws {
        for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        configuration.prepareDatabase { db in
            // Nothing is to be kept of a build that fails. The cache is in KiB.
            try db.execute(
                sql:
                    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -16384"
            )
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
        let descriptor = Glibc.open(path, O_RDWR | O_CLOEXEC)
        defer { _ = Glibc.close(descriptor) }
        guard descriptor >= 0, fsync(descriptor) == 0 else {
            throw IndexError(
                code: .corrupt,
                message:
                    "\(path) could not be written to disk: \(String(cString: strerror(errno))).")
        }
    }

    private static func createIndexes(in db: Database) throws {
        do {
            try Schema.createIndexes(in: db)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            throw IndexError(
                code: .ambiguous,
                message: "Two images have the same digest or name: \(error.message ?? "").")
        }
    }
}

// Only while an index is made as a whole.
extension IndexWriter {
    /// Adds the next image without looking whether it is there.
    ///
    /// - parameters:
    ///   - record: its id is not looked at; `difference` is against nothing with a
    ///     SOPInstanceUID, since the first image of the series is not known to whoever made it
    ///   - difference: that of the record, as JSON
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

    /// Adds a series that was prepared on another thread, unless it is there.
    public func append(_ rows: SeriesRows, views: [View]) throws {
        if try !hasSeries(rows.id, key: rows.key) { try apply(rows, views: views) }
    }

    func remember(_ firstUID: String?, ofSeries id: Int64) {
        if building?.firstUIDs.count ?? 0 >= IndexBuilding.limit { building?.firstUIDs = [:] }
        building?.firstUIDs[id] = .some(firstUID)
    }
}

// Directories, which many series share.
extension IndexWriter {
    /// The directory in `parent` whose name folds to `folded`.
    func knownDirectory(_ folded: String, in parent: Int64) throws -> Int64? {
        let place = IndexBuilding.Place(parent: parent, folded: folded)
        if let known = building?.directories[place] { return known }
        let found = try statements.findNode.bind(parent).bind(folded).number()
        if let found, building != nil {
            if building?.directories.count ?? 0 >= IndexBuilding.limit {
                building?.directories = [:]
            }
            building?.directories[place] = found
        }
        return found
    }

    /// Notes that a directory got an entry.
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
