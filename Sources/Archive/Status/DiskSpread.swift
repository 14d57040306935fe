import Storage
import System
import TagIndex

/// How many images are on how few disks: what one failed disk would cost.
struct DiskSpread: Hashable, Sendable {
    /// Images all of whose copies within reach are on one disk.
    var oneDisk: Int64 = 0
    /// Images on fewer disks within reach than copies are wanted.
    var fewDisks: Int64 = 0
}

/// Counts ``DiskSpread``. Where each volume has a disk of its own and none is away, the sums of the
/// index say it. Otherwise all rows are read, once for each state of the ledger and the disks.
final class DiskSpreads: Sendable {
    private struct Key: Hashable {
        var layout: DiskLayout
        var wanted: Int
        var record: Int64
    }

    private let last = Lock<(key: Key, spread: DiskSpread)?>(nil)

    /// - Parameters:
    ///   - layout: Of the volumes that can be read.
    ///   - record: The number of the last record.
    /// - Throws: The errors of the index.
    func spread(
        _ layout: DiskLayout, wanted: Int, record: Int64, _ index: TagIndex
    ) throws -> DiskSpread {
        let totals = try index.read { try $0.totals() }
        let volumes = try index.read { try $0.volumes() }.filter { $0.state != .retired }
        if layout.isApart, volumes.allSatisfy({ layout.groups[$0.ordinal] != nil }) {
            return Self.spread(totals.byCopies, wanted)
        }
        let key = Key(layout: layout, wanted: wanted, record: record)
        if let last = last.withLock({ $0 }), last.key == key { return last.spread }
        let spread = Self.spread(
            try index.read { try $0.images(byDisks: layout.groups) }, wanted)
        last.withLock { $0 = (key, spread) }
        return spread
    }

    /// - Parameter images: How many there are for each number of disks.
    private static func spread(_ images: [Int: Int64], _ wanted: Int) -> DiskSpread {
        DiskSpread(
            oneDisk: images[1] ?? 0,
            fewDisks: images.filter { 0 < $0.key && $0.key < wanted }.values.reduce(0, +))
    }
}
