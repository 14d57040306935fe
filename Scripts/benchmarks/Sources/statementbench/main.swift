import Dispatch
import GRDB

// The numbers in the comment of RawStatement. The two ways run different SQL (a comment makes the
// difference), since a cached statement cannot be used both ways.

private let rows = 100_000
private let rounds = 7
private let find = "SELECT id FROM node WHERE parent = ? AND folded = ?"
private let insert = "INSERT INTO copy(volume, instance, verified) VALUES (?, ?, ?)"
private let raw = " /* raw */"

private func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = DispatchTime.now().uptimeNanoseconds
    try body()
    return Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
}

/// Runs both ways in turns.
///
/// - Returns: How many times as long GRDB takes: the median.
private func ratio(
    _ queue: DatabaseQueue, grdb: @escaping (Database) throws -> Void,
    ours: @escaping (Database) throws -> Void
) throws -> Double {
    var ratios: [Double] = []
    for _ in 0..<rounds {
        var taken: [Double] = []
        for body in [grdb, ours] {
            try queue.inTransaction { db in
                taken.append(try seconds { try body(db) })
                return .rollback
            }
        }
        ratios.append(taken[0] / taken[1])
    }
    return ratios.sorted()[rounds / 2]
}

private let queue = try DatabaseQueue()
try queue.inTransaction { db in
    try db.execute(
        sql: """
            CREATE TABLE node(
              id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, folded TEXT NOT NULL,
              UNIQUE (parent, folded));
            CREATE TABLE copy(
              volume INTEGER NOT NULL, instance INTEGER NOT NULL, verified INTEGER NOT NULL,
              PRIMARY KEY (volume, instance)) WITHOUT ROWID;
            """)
    let statement = try db.cachedStatement(sql: "INSERT INTO node(parent, folded) VALUES (?, ?)")
    for row in 0..<rows { try statement.execute(arguments: [row % 100, "directory \(row)"]) }
    return .commit
}

private let lookUp = try ratio(
    queue,
    grdb: { db in
        let statement = try db.cachedStatement(sql: find)
        for row in 0..<rows {
            let id = try Int64.fetchOne(statement, arguments: [row % 100, "directory \(row)"])
            precondition(id == Int64(row + 1))
        }
    },
    ours: { db in
        let statement = try RawStatement(find + raw, in: db)
        for row in 0..<rows {
            let id = try statement.bind(Int64(row % 100)).bind("directory \(row)").number()
            precondition(id == Int64(row + 1))
        }
    })

private let insertion = try ratio(
    queue,
    grdb: { db in
        let statement = try db.cachedStatement(sql: insert)
        for row in 0..<rows { try statement.execute(arguments: [1, row, 7]) }
    },
    ours: { db in
        let statement = try RawStatement(insert + raw, in: db)
        for row in 0..<rows {
            try statement.bind(1 as Int64).bind(Int64(row)).bind(7 as Int64).run()
        }
    })

private func rounded(_ ratio: Double) -> Double { (ratio * 10).rounded() / 10 }
print("look-up of a directory: GRDB takes \(rounded(lookUp)) times as long as RawStatement")
print("insertion of a copy:    GRDB takes \(rounded(insertion)) times as long as RawStatement")
