import Storage
import System

/// Which volumes lie on one disk: what is lost together when it fails. Only volumes that are here
/// are in it.
struct DiskLayout: Hashable, Sendable {
    /// The disk of each volume, by ordinal; disks are numbered from 0.
    private(set) var groups: [Int: Int] = [:]
    /// For each disk that several volumes share, its name.
    private(set) var shared: [Int: String] = [:]

    /// The number of disks.
    var count: Int { Set(groups.values).count }

    /// Whether each volume has a disk of its own.
    var isApart: Bool { count == groups.count }

    init(_ members: [VolumeSet.Member]) {
        self.init(
            members.compactMap { member in
                member.volume.map { (ordinal: $0.identity.ordinal, disk: $0.disk) }
            })
    }

    /// - Parameter volumes: Ordinals, each with the disk that it lies on; `nil` for one of its own.
    init(_ volumes: [(ordinal: Int, disk: PhysicalDisk?)]) {
        for (index, volume) in volumes.enumerated() {
            groups[volume.ordinal] = index
            for earlier in volumes[..<index] {
                guard let one = volume.disk, let other = earlier.disk,
                    let name = one.shared(with: other), let group = groups[earlier.ordinal],
                    let own = groups[volume.ordinal]
                else { continue }
                let known = shared[group] ?? shared[own]
                shared[own] = nil
                // Striped over two disks, a volume joins what lies on either.
                for (ordinal, number) in groups where number == own { groups[ordinal] = group }
                shared[group] = known ?? name
            }
        }
    }

    /// The name of the disk of a volume: the same for all volumes on it; `nil` when it is absent,
    /// or nobody can tell.
    func name(of member: VolumeSet.Member) -> String? {
        groups[member.ordinal].flatMap { shared[$0] } ?? member.volume?.disk?.names
    }
}
