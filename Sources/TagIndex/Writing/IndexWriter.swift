import DICOM
import Foundation
import GRDB
import JSON
import Naming

/// Changes to the index, inside one transaction.
///
/// A new image takes two steps. ``assign(_:hex:received:views:)`` decides its ids and names, which
/// the ledger then records; the `apply` functions make the rows. A rebuild has the decisions from
/// the ledger and does only the second step, so it gets the same rows.
///
/// A writer is good only inside ``TagIndex/write(_:)`` or ``TagIndex/build(at:sorting:_:amend:)``.
public final class IndexWriter {
    let db: Database
    /// `node.id` of the directories that got an entry; 0 for the root.
    public internal(set) var changedNodes: Set<Int64> = []
    /// The sums that the transaction changes.
    var totals = CollectedTotals()
    /// The series of the last image: most images follow another of their series.
    private var lastSeries: (key: String, id: Int64, attributes: AttributeSet)?
    /// The modality of the series of the last image.
    private var lastModality: (series: Int64, modality: String?)?
    let statements: FrequentStatements
    /// Set while a whole index is built, see ``TagIndex/build(at:sorting:_:amend:)``.
    var building: IndexBuilding?
    /// Images from this id on do not exist yet, for a change that is older than they are.
    public var hiddenFrom = Int64.max

    init(db: Database) throws {
        self.db = db
        statements = try FrequentStatements(in: db)
    }

    /// A reader that sees the changes of this transaction.
    public var reader: IndexReader { IndexReader(db: db, hiddenFrom: hiddenFrom) }

    /// Empties ``changedNodes``, for many changes that need no notification.
    public func forgetChanges() { changedNodes = [] }

    // MARK: Assigning

    /// The ids and names of a new image.
    public struct Assignment {
        /// Set when the image is the first of its series.
        public var newSeries: SeriesRecord?
        /// `instance.id`.
        public var instance: Int64
        /// `series.id`.
        public var series: Int64
        /// Its file name in most views.
        public var name: String
        /// Its file name in views by UID.
        public var uidName: String
        /// The attributes that differ from those of the series' first image.
        public var difference: AttributeSet
    }

    /// Decides the series and the names of a new image, and makes the rows of its series if it is
    /// the first.
    ///
    /// - Parameters:
    ///   - attributes: The attributes of the image.
    ///   - hex: Its digest in hexadecimal, from which suffixes are made.
    ///   - received: When it is archived, ns since 1970.
    ///   - views: The views that are shown.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func assign(
        _ attributes: AttributeSet, hex: String, received: Int64, views: [View]
    ) throws -> Assignment {
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
        return Assignment(
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

    /// The `instance.id` that the next image gets.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
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

    /// Whether the series exists, or another one with the same grouping attributes.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func hasSeries(_ record: SeriesRecord) throws -> Bool {
        try hasSeries(record.id, key: record.attributes.groupingKey)
    }

    func hasSeries(_ id: Int64, key: String) throws -> Bool {
        try statements.findSeries.bind(id).bind(key).number() != nil
    }

    /// Makes the rows of a series and its directories.
    ///
    /// - Parameters:
    ///   - record: The series.
    ///   - views: The views, which say how the files of a directory are named.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: SeriesRecord, views: [View]) throws {
        try apply(SeriesRows(record), views: views)
    }

    /// Makes the rows of a series that were prepared before, and its directories.
    ///
    /// - Parameters:
    ///   - rows: The series.
    ///   - views: The views, which say how the files of a directory are named.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
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
            totals.studies += 1
        } else {
            try RawStatement("INSERT INTO \(table)(key) VALUES (?)", in: db).bind(key).run()
            totals.patients += 1
        }
        return db.lastInsertedRowID
    }

    /// Makes the rows of an archived image.
    ///
    /// - Parameters:
    ///   - record: The image.
    ///   - sopInstanceUID: Its UID, which is missing in `record.difference` if the first image of
    ///     the series has the same one.
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: InstanceRecord, sopInstanceUID: String?) throws {
        try insert(record, sopInstanceUID: sopInstanceUID, difference: record.difference.json)
        let leaves = try db.cachedStatement(sql: "SELECT id FROM node WHERE series = ?")
        changedNodes.formUnion(try Int64.fetchAll(leaves, arguments: [record.series]))
    }

    /// - Parameter difference: `record.difference` as JSON.
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
        totals.add(record, modality: try modality(ofSeries: record.series))
    }

    private func modality(ofSeries id: Int64) throws -> String? {
        if let lastModality, lastModality.series == id { return lastModality.modality }
        let statement = try db.cachedStatement(sql: "SELECT modality FROM series WHERE id = ?")
        let modality = try String.fetchOne(statement, arguments: [id])
        lastModality = (id, modality)
        return modality
    }

    /// The attributes of the first image of a series, which a replay needs.
    ///
    /// - Parameter id: `series.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when there is no such series; GRDB's
    ///   `DatabaseError` when SQLite fails.
    public func attributes(ofSeries id: Int64) throws -> AttributeSet {
        if let lastSeries, lastSeries.id == id { return lastSeries.attributes }
        let statement = try db.cachedStatement(
            sql: "SELECT key, attributes FROM series WHERE id = ?")
        guard let row = try Row.fetchOne(statement, arguments: [id]) else {
            throw IndexError.corrupt("The index has no series \(id)")
        }
        let attributes = try AttributeSet(json: row[1])
        lastSeries = (row[0], id, attributes)
        return attributes
    }

    /// Adds a rejected file; one with the same digest and source is replaced.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func apply(_ record: RejectRecord) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO rejected(sha256, bytes, path, source, reason, time)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE
                SET path = excluded.path, reason = excluded.reason, time = excluded.time
                """
        ).execute(arguments: [
            Data(record.sha256), record.bytes, record.path, record.source, record.reason,
            record.time,
        ])
    }

    /// Notes how far the ledger is in the index.
    ///
    /// - Throws: GRDB's `DatabaseError` when SQLite fails.
    public func setPosition(_ position: IndexedPosition) throws {
        // Sorted, so that two indexes with the same content have the same text.
        let json = JSONWriter.text(
            of: .object(
                JSONObject([
                    .init("head", .string(position.head)),
                    .init("number", .int(Int64(position.number))),
                    .init("offset", .int(Int64(position.offset))),
                    .init("segment", .int(Int64(position.segment))),
                ])))
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO meta VALUES ('ledger', ?)")
            .execute(arguments: [json])
    }

    /// Writes the sums that were collected. Called once, before the commit.
    func finish() throws {
        try flushTouched()
        try totals.write(to: db)
    }
}
