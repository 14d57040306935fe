import GRDB

/// A study or series with the attributes that name it.
public struct NamedRow: Sendable {
    /// `study.id` or `series.id`.
    public var id: Int64
    /// Different for every study or series, and permanent.
    public var key: String
    /// For a study: the attributes of its first series.
    public var attributes: AttributeSet

    /// A row with these values.
    public init(id: Int64, key: String, attributes: AttributeSet) {
        self.id = id
        self.key = key
        self.attributes = attributes
    }
}

// Studies and series, as a search shows them.
extension IndexReader {
    private func named(_ row: Row) throws -> NamedRow {
        NamedRow(id: row[0], key: row[1], attributes: try AttributeSet(json: row[2]))
    }

    /// A study; `nil` when there is none with this id.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func study(_ id: Int64) throws -> NamedRow? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT study.id, study.key, series.attributes
                FROM study JOIN series ON series.study = study.id
                WHERE study.id = ? ORDER BY series.id LIMIT 1
                """)
        return try Row.fetchOne(statement, arguments: [id]).map(named)
    }

    /// The series of a study, in the order of their arrival.
    ///
    /// - Parameter id: `study.id`.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func series(ofStudy id: Int64) throws -> [NamedRow] {
        let statement = try db.cachedStatement(
            sql: "SELECT id, key, attributes FROM series WHERE study = ? ORDER BY id")
        return try Row.fetchAll(statement, arguments: [id]).map(named)
    }

    /// `study.id` of a series; `nil` when there is no such series.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func study(ofSeries id: Int64) throws -> Int64? {
        try Int64.fetchOne(
            db.cachedStatement(sql: "SELECT study FROM series WHERE id = ?"), arguments: [id])
    }

    private static let lastReceived = """
        (SELECT received FROM instance WHERE instance.series = series.id ORDER BY id DESC LIMIT 1)
        """

    /// When the last image of a study was archived, ns since 1970; `nil` when there is no such
    /// study.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastReceived(inStudy id: Int64) throws -> Int64? {
        let statement = try db.cachedStatement(
            sql: "SELECT max(coalesce(\(Self.lastReceived), created)) FROM series WHERE study = ?")
        return try Int64.fetchOne(statement, arguments: [id])
    }

    /// When the last image of a series was archived, ns since 1970; `nil` when there is no such
    /// series.
    ///
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func lastReceived(inSeries id: Int64) throws -> Int64? {
        let statement = try db.cachedStatement(
            sql: "SELECT coalesce(\(Self.lastReceived), created) FROM series WHERE id = ?")
        return try Int64.fetchOne(statement, arguments: [id])
    }

}
