import GRDB
import Foundation

// Images that cannot be read because a volume is absent.
extension IndexReader {
    private func hasNoCopy(on volumes: [Int]) -> String {
        """
        NOT EXISTS (SELECT 1 FROM copy WHERE copy.instance = instance.id
                    AND copy.volume IN (\(volumes.map(String.init).joined(separator: ", "))))
        """
    }

    /// The number of images that have copies, but none on any of `volumes`. Reads all rows: for
    /// use while a volume is absent.
    ///
    /// - Parameter volumes: Ordinals of the volumes that are present.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func offlineOnly(present volumes: [Int]) throws -> Int64 {
        try Int64.fetchOne(
            db, sql: "SELECT count(*) FROM instance WHERE copies > 0 AND \(hasNoCopy(on: volumes))")
            ?? 0
    }

    /// Calls `body` with the images that have no copy on any of `volumes`, in the order of their
    /// arrival. Reads all rows.
    ///
    /// - Parameters:
    ///   - volumes: Ordinals.
    ///   - body: Takes `instance.id`, and returns whether to go on.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func instances(missingOn volumes: [Int], _ body: (Int64) throws -> Bool) throws {
        let ids = try Int64.fetchCursor(
            db, sql: "SELECT id FROM instance WHERE \(hasNoCopy(on: volumes)) ORDER BY id")
        while let id = try ids.next() {
            if try !body(id) { return }
        }
    }
}
