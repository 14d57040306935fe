import TagIndex

/// How many images are on how few disks: what one failed disk would cost.
struct DiskSpread: Hashable, Sendable {
    /// Images all of whose copies within reach are on one disk.
    var oneDisk: Int64 = 0
    /// Images on fewer disks within reach than copies are wanted.
    var fewDisks: Int64 = 0

    /// - Parameters:
    ///   - layout: Of the volumes that can be read.
    ///   - wanted: How many copies there should be.
    init(_ totals: Totals, _ layout: DiskLayout, wanted: Int) {
        let images = totals.images(byDisks: layout.groups)
        oneDisk = images[1] ?? 0
        fewDisks = images.filter { $0.key < wanted }.values.reduce(0, +)
    }
}
