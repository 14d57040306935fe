import Storage

/// The disks that count when copies are made: a volume that is away counts until another was added
/// because of that, and one that is being emptied does not.
struct ResilverReach: Sendable {
    /// The disk of each volume that counts, by ordinal.
    private(set) var groups: [Int: Int]
    /// The number of disks.
    var disks: Int { Set(groups.values).count }
    /// Whether enough copies may be on too few disks: volumes share one, or one was given up.
    let leavesOut: Bool

    init(_ members: [VolumeSet.Member]) {
        let layout = DiskLayout(members.filter { $0.state != .retiring })
        groups = layout.groups
        let away = members.filter { $0.volume == nil && $0.ordinal > 0 && $0.state != .retired }
        for (number, member) in away.filter({ !$0.isGivenUp }).enumerated() {
            groups[member.ordinal] = -1 - number
        }
        leavesOut = !layout.isApart || away.contains(where: \.isGivenUp)
    }
}
