import Storage
import System

// What else lies on the disk of a volume. It is noted in archive.json while the volume is there,
// because it must be known when the disk is dead: a folder that takes the place of a volume with a
// disk of its own is to have one too.
extension VolumeSet {
    /// Stands for the disks of the system and of the archive's directory among the neighbours.
    static let system = 0

    /// Takes over what `archive.json` says of volumes that are away.
    func remember(_ known: [Archive.Identity.KnownVolume]) {
        state.withLock { state in
            for index in state.members.indices where state.members[index].volume == nil {
                let ordinal = state.members[index].ordinal
                guard let note = known.first(where: { $0.ordinal == ordinal }) else { continue }
                state.members[index].neighbours = note.neighbours
                state.members[index].isGivenUp = note.isGivenUp ?? false
            }
        }
    }

    /// Notes for each volume that is here what lies on its disk.
    func noteNeighbours(ofArchiveAt path: String) {
        let places = places(ofArchiveAt: path)
        state.withLock { state in
            for index in state.members.indices {
                guard let disk = state.members[index].volume?.disk else { continue }
                let ordinal = state.members[index].ordinal
                state.members[index].neighbours = Self.neighbours(of: disk, among: places)
                    .map(\.ordinal).filter { $0 != ordinal }
            }
        }
    }

    /// Another volume was added while some are away: their copies are made elsewhere.
    func giveUpAbsent() {
        state.withLock { state in
            for index in state.members.indices where state.members[index].volume == nil {
                state.members[index].isGivenUp = true
            }
        }
    }

    private typealias Place = (ordinal: Int, path: String, disk: PhysicalDisk)

    /// Everything that is to survive a disk, with the disk that it lies on.
    private func places(ofArchiveAt path: String) -> [Place] {
        let system = [path, "/"].compactMap { path in
            PhysicalDisk(path).map { (Self.system, path, $0) }
        }
        return system
            + members.compactMap { member in
                member.volume?.disk.map { (member.ordinal, member.place.path, $0) }
            }
    }

    private static func neighbours(
        of disk: PhysicalDisk, among places: [Place]
    ) -> [(ordinal: Int, path: String, disk: String)] {
        var result: [(ordinal: Int, path: String, disk: String)] = []
        for place in places where !result.contains(where: { $0.ordinal == place.ordinal }) {
            if let name = place.disk.shared(with: disk) {
                result.append((place.ordinal, place.path, name))
            }
        }
        return result
    }

    /// Refuses a folder that shares a disk which the volume whose place it takes did not share: the
    /// new disk is probably not mounted. Nothing is written.
    ///
    /// - Throws: ``ArchiveError``.
    func requireOwnDisk(
        of path: String, inPlaceOf lost: Member, archive: String
    ) throws(ArchiveError) {
        guard let disk = PhysicalDisk.below(path) else { return }
        let places = places(ofArchiveAt: archive).filter { $0.ordinal != lost.ordinal }
        // What nobody has noted is as it is with the other volumes.
        let others = members.filter { $0.ordinal != lost.ordinal && $0.volume?.disk != nil }
        let unknown =
            others.contains { member in
                member.neighbours?.contains { $0 != lost.ordinal } == false
            } ? [] : places.map(\.ordinal)
        let known = lost.neighbours ?? unknown
        for neighbour in Self.neighbours(of: disk, among: places)
        where !known.contains(neighbour.ordinal) {
            let what =
                neighbour.ordinal == Self.system ? "the system" : "the volume \(neighbour.path)"
            throw ArchiveError(
                .configuration,
                """
                \(path) is on the disk of \(what) (\(neighbour.disk)), and \(lost.place.path) had \
                a disk of its own. Is the new disk mounted? Nothing was written.
                """,
                remedy:
                    """
                    Mount the new disk, or name a folder on one. If this folder is to take its \
                    place all the same: pacsfs volume replace \(lost.place.path) \(path) \
                    --accept-shared-disk
                    """
            )
        }
    }
}
