import DICOM
import Foundation
import GRDB
import Naming

/// Changes to the index, inside one transaction.
///
/// New images take two steps. ``place(_:hex:received:views:)`` decides what they are called, which
/// the ledger then records, and the `apply` functions make the rows. A rebuild has the first
/// from the ledger and only does the second: so it gets the same rows.
public final class IndexWriter {
    let db: Database
    /// The directories in which something appeared: `node.id`, 0 for the root.
    public internal(set) var changedNodes: Set<Int64> = []
    private var addedInstances: Int64 = 0
    private var addedBytes: Int64 = 0
    var addedByCopies: [Int: Int64] = [:]
    private var addedByDay: [Int64: (instances: Int64, bytes: Int64)] = [:]
    /// The series of the last image: most images follow one of their own series.
    private var lastSeries: (key: String, id: Int64, attributes: AttributeSet)?
    let statements: FrequentStatements
    /// Set while an index is made as a whole, see ``TagIndex/build(at:sorting:_:amend:)``.
    var building: IndexBuilding?
    /// Images from this id on are not there yet, for a change that is older than they are.
    public var horizon = Int64.max

    init(db: Database) throws {
        self.db = db
        statements = try FrequentStatements(in: db)
    }

    public var reader: IndexReader { IndexReader(db: db, horizon: horizon) }

    /// Forgets ``changedNodes``: for many changes of which nobody is told.
    public func forgetChanges() { changedNodes = [] }

    // MARK: Placing

    /// Where a new image goes.
    public struct Place {
        /// Set when the image is the first of its series.
        public var newSeries: SeriesRecord?
        public var instance: Int64
        public var series: Int64
        public var name: String
        public var uidName: String
        public var difference: AttributeSet
    }

    /// Decides series and names of an image that is not archived yet, and makes the rows of
    /// its series when it is the first.
    ///
    /// - parameters:
    ///   - hex: its digest in hexadecimal, from which suffixes are taken
    ///   - received: ns since 1970
    public func place(
        _ attributes: AttributeSet, hex: String, received: Int64, views: [View]
    ) throws -> Place {
        let key = attributes.groupingKey
        var newSeries: SeriesRecord?
        let series: (key: String, id: Int64, attributes: AttributeSet)
        if let lastSeries, lastSeries.key.utf8.elementsEqual(key.utf8) {
            series = lastSeries
        } else if let row = try Row.fetchOne(
            db.cachedStatement(sql: "SELECT id, attributes FROM series WHERE key = ?"),
            arguments: [key])
        {
            series = (key, row[0], try AttributeSet(json: row[1]))
        } else {
            let record = SeriesRecord(
                id: try nextID(of: "series"), created: received, attributes: attributes,
                paths: try views.compactMap { view in
                    let root = try reader.node(in: 0, folded: PortableName.folded(view.name))?.id
                    return try path(of: attributes, key: key, in: view, at: root).map {
                        [view.name] + $0
                    }
                })
            try apply(record, views: views)
            newSeries = record
            series = (key, record.id, attributes)
        }
        lastSeries = series
        return Place(
            newSeries: newSeries, instance: try nextID(of: "instance"), series: series.id,
            name: try free(FileName.instance(attributes), in: series.id, column: "name", tag: hex),
            uidName: try free(
                FileName.sopInstance(attributes), in: series.id, column: "uid_name", tag: hex),
            difference: attributes.difference(from: series.attributes))
    }

    private func free(_ name: String, in series: Int64, column: String, tag: String) throws
        -> String
    {
        let statement = try db.cachedStatement(
            sql: "SELECT 1 FROM instance WHERE series = ? AND \(column) = ?")
        return try PortableName.firstFree(name, tag: tag) {
            try Int.fetchOne(statement, arguments: [series, $0]) == nil
        }
    }

    /// The id that the next image gets.
    public func nextInstance() throws -> Int64 {
        if let building { return building.lastInstance + 1 }
        return try nextID(of: "instance")
    }

    func nextID(of table: String) throws -> Int64 {
        let statement = try db.cachedStatement(
            sql: "SELECT seq FROM sqlite_sequence WHERE name = ?")
        return (try Int64.fetchOne(statement, arguments: [table]) ?? 0) + 1
    }

    // MARK: Applying

    /// Whether the series, or one of the same attributes, is there already.
    public func hasSeries(_ record: SeriesRecord) throws -> Bool {
        try hasSeries(record.id, key: record.attributes.groupingKey)
    }

    func hasSeries(_ id: Int64, key: String) throws -> Bool {
        try statements.findSeries.bind(id).bind(key).number() != nil
    }

    /// Makes the rows of a series and the directories it is shown in.
    public func apply(_ record: SeriesRecord, views: [View]) throws {
        try apply(SeriesRows(record), views: views)
    }

    /// The same, when the rows are prepared already.
    public func apply(_ rows: SeriesRows, views: [View]) throws {
        let id = rows.id
        let patient = try row(in: "patient", key: rows.patientKey)
        let study = try row(in: "study", key: "\(patient)\u{1F}\(rows.studyKey)", patient: patient)
        if building != nil { remember(rows.firstUID, ofSeries: id) }
        try statements.insertSeries
            .bind(id).bind(study).bind(rows.key).bind(rows.date).bind(rows.modality).bind(
                rows.seriesUID
            )
            .bind(rows.studyUID).bind(rows.attributes).bind(rows.created).run()
        try statements.insertWords
            .bind(id).bind(rows.words.name).bind(rows.words.id).bind(rows.words.study).bind(
                rows.words.other
            ).run()
        for path in rows.paths {
            guard let first = path.first, path.count > 1 else { continue }
            let root = try directory(first, in: 0, at: rows.created)
            let naming = views.first { $0.name == first.shown }?.fileNaming ?? .instanceNumber
            try showSeries(
                id, at: path.dropFirst(), inViewAt: root, naming: naming, time: rows.created)
        }
    }

    private func row(in table: String, key: String, patient: Int64? = nil) throws -> Int64 {
        if let id = try RawStatement("SELECT id FROM \(table) WHERE key = ?", in: db).bind(key)
            .number()
        {
            return id
        }
        if let patient {
            try RawStatement("INSERT INTO \(table)(key, patient) VALUES (?, ?)", in: db).bind(key)
                .bind(patient).run()
        } else {
            try RawStatement("INSERT INTO \(table)(key) VALUES (?)", in: db).bind(key).run()
        }
        return db.lastInsertedRowID
    }

    /// Makes the rows of an archived image. `sopInstanceUID` is told apart, since it is not
    /// among the differences when it equals that of the first image of the series.
    public func apply(_ record: InstanceRecord, sopInstanceUID: String?) throws {
        try insert(record, sopInstanceUID: sopInstanceUID, difference: record.difference.json)
        let leaves = try db.cachedStatement(sql: "SELECT id FROM node WHERE series = ?")
        changedNodes.formUnion(try Int64.fetchAll(leaves, arguments: [record.series]))
    }

    /// - parameter difference: that of the record, as JSON
    func insert(_ record: InstanceRecord, sopInstanceUID: String?, difference: String) throws {
        try statements.insertInstance
            .bind(record.id).bind(record.series).bind(record.sha256).bind(record.bytes).bind(
                record.received
            )
            .bind(sopInstanceUID).bind(record.name).bind(record.uidName).bind(
                Int64(record.volumes.count)
            )
            .bind(record.flags).bind(record.source).bind(difference)
            .run()
        for volume in record.volumes {
            try statements.insertCopy.bind(Int64(volume)).bind(record.id).bind(record.received)
                .run()
        }
        addedInstances += 1
        addedBytes += record.bytes
        let day = record.received / Self.day
        addedByDay[day, default: (0, 0)].instances += 1
        addedByDay[day, default: (0, 0)].bytes += record.bytes
        addedByCopies[record.volumes.count, default: 0] += 1
    }

    /// The attributes of the first image of a series, as a replay needs them.
    public func attributes(ofSeries id: Int64) throws -> AttributeSet {
        if let lastSeries, lastSeries.id == id { return lastSeries.attributes }
        let statement = try db.cachedStatement(
            sql: "SELECT key, attributes FROM series WHERE id = ?")
        guard let row = try Row.fetchOne(statement, arguments: [id]) else {
            throw IndexError(code: .corrupt, message: "The index has no series \(id).")
        }
        let attributes = try AttributeSet(json: row[1])
        lastSeries = (row[0], id, attributes)
        return attributes
    }

    public func apply(_ record: RejectRecord) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO rejected(sha256, bytes, path, source, reason, time)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET path = excluded.path, reason = excluded.reason, time = excluded.time
                """
        ).execute(arguments: [
            Data(record.sha256), record.bytes, record.path, record.source, record.reason,
            record.time,
        ])
    }

    public func setPosition(_ position: IndexedPosition) throws {
        // Sorted, so that two indexes with the same content have the same text.
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let json = String(decoding: try encoder.encode(position), as: UTF8.self)
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO meta VALUES ('ledger', ?)")
            .execute(arguments: [json])
    }

    /// A day, ns.
    static let day: Int64 = 86_400_000_000_000

    /// Writes the sums that were collected; called once, before the commit.
    func finish() throws {
        try flushTouched()
        if addedInstances > 0 {
            try db.execute(
                sql: "UPDATE totals SET instances = instances + ?, bytes = bytes + ?",
                arguments: [addedInstances, addedBytes])
        }
        for (day, added) in addedByDay {
            try db.execute(
                sql: """
                    INSERT INTO day VALUES (?, ?, ?) ON CONFLICT(day) DO UPDATE
                    SET instances = instances + excluded.instances, bytes = bytes + excluded.bytes
                    """, arguments: [day, added.instances, added.bytes])
        }
        for (copies, instances) in addedByCopies where instances != 0 {
            try db.execute(
                sql: """
                    INSERT INTO copy_count VALUES (?, ?)
                    ON CONFLICT(copies) DO UPDATE SET instances = instances + excluded.instances
                    """, arguments: [copies, instances])
        }
        // Whether a number passed through zero is no fact: it depends on the transactions.
        if !addedByCopies.isEmpty {
            try db.execute(sql: "DELETE FROM copy_count WHERE instances = 0")
        }
    }
}
