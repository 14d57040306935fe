import Storage
import TagIndex

/// The images that the volumes can hold, each as often as is wanted.
public struct Capacity: Sendable {
    /// Bytes of images that would fit on empty volumes.
    public var total: Int64
    /// Bytes of images that can still be archived.
    public var free: Int64
    /// How many images there are.
    public var images: Int64

    /// How much fits on volumes of these sizes when each byte is kept on `copies` different ones:
    /// the largest amount of which the volumes can hold that many times as much, none of them
    /// more than once.
    static func fitting(_ sizes: [Int64], copies: Int) -> Int64 {
        var (least, most) = (Int64(0), sizes.reduce(0, +) / Int64(copies) + 1)
        while most - least > 1 {
            let amount = (least + most) / 2
            let held = sizes.reduce(0) { $0 + min($1, amount) }
            if held >= amount * Int64(copies) { least = amount } else { most = amount }
        }
        return least
    }
}

extension ArchiveCore {
    /// - Throws: The errors of the index.
    func capacity() throws -> Capacity {
        let settings = settings
        let retiring = volumes.retiring
        volumes.checkBriefly()
        let sizes = volumes.members.compactMap { member -> (free: Int64, total: Int64)? in
            guard let volume = member.volume, !member.isReadOnly,
                !retiring.contains(member.ordinal)
            else { return nil }
            return (
                member.space.map { volume.freeSpace(in: $0) } ?? 0, member.space?.total ?? 0
            )
        }
        let totals = try index.read { try $0.sums() }
        guard sizes.count >= settings.minimumCopies, !sizes.isEmpty,
            !ArchiveDisk.isFull(ArchiveDisk.free(of: path))
        else {
            return Capacity(total: totals.bytes, free: 0, images: totals.instances)
        }
        let copies = min(settings.copies, sizes.count)
        return Capacity(
            total: Capacity.fitting(sizes.map(\.total), copies: copies),
            free: Capacity.fitting(sizes.map(\.free), copies: copies), images: totals.instances)
    }
}
