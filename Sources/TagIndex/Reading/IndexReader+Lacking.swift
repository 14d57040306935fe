import GRDB
import Foundation

// Images that cannot be read for want of a volume.
extension IndexReader {
    private func lacking(_ volumes: [Int]) -> String {
        """
        NOT EXISTS (SELECT 1 FROM copy WHERE copy.instance = instance.id
                    AND copy.volume IN (\(volumes.map(String.init).joined(separator: ", "))))
        """
    }

    /// How many images have a copy, but none on any of `volumes`. It looks at all of them: for
    /// when a volume is away.
    public func elsewhere(than volumes: [Int]) throws -> Int64 {
        try Int64.fetchOne(
            db, sql: "SELECT count(*) FROM instance WHERE copies > 0 AND \(lacking(volumes))") ?? 0
    }

    /// Calls `body` with the ids of images that have no copy on any of `volumes`, in the order
    /// they came, until it returns false.
    public func instances(lackingOn volumes: [Int], _ body: (Int64) throws -> Bool) throws {
        let ids = try Int64.fetchCursor(
            db, sql: "SELECT id FROM instance WHERE \(lacking(volumes)) ORDER BY id")
        while let id = try ids.next() {
            if try !body(id) { return }
        }
    }
}
