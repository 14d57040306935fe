import Foundation
import Storage
import Synchronization

/// The volumes of an archive, those that are there and those that are not.
final class VolumeSet: Sendable {
    struct Member: Sendable {
        var place: Settings.VolumePlace
        /// Its number in the archive, from 1.
        var ordinal: Int
        var volume: Volume?
        /// Why it is not there.
        var problem: String?
    }

    let members: [Member]

    /// Opens what is there. A volume that is missing is no error here, but an archive that
    /// has none is.
    ///
    /// - parameter known: the numbers of the archive's volumes by their paths, for those that
    ///   are not there to tell
    init(
        _ places: [Settings.VolumePlace], archive id: String, known: [String: Int]
    ) throws(ArchiveError) {
        var members: [Member] = []
        for (index, place) in places.enumerated() {
            do {
                let volume = try Volume.open(at: place.path, archive: id)
                members.append(Member(place: place, ordinal: volume.identity.ordinal, volume: volume))
            } catch {
                // A number that no volume has, when it is not known.
                members.append(
                    Member(place: place, ordinal: known[place.path] ?? -1 - index, volume: nil, problem: "\(error)"))
            }
        }
        // One that is there is right about its number; a path may have been given to another.
        let present = Set(members.filter { $0.volume != nil }.map(\.ordinal))
        for index in members.indices where members[index].volume == nil && present.contains(members[index].ordinal) {
            members[index].ordinal = -1 - index
        }
        self.members = members
        for (index, member) in members.enumerated() where member.volume != nil {
            if let other = members[..<index].first(where: { $0.volume != nil && $0.ordinal == member.ordinal }) {
                throw ArchiveError(
                    .configuration,
                    "\(member.place.path) is a copy of the volume \(other.place.path), not another one. Take one of them out of pacsfs.toml.")
            }
        }
        guard !online.isEmpty else {
            throw ArchiveError(
                .storage,
                "None of the archive's volumes is there:\n" + members.compactMap(\.problem).joined(separator: "\n"))
        }
    }

    var online: [Volume] { members.compactMap(\.volume) }

    /// The volume on which `/incoming` lies.
    var staging: Volume { online[0] }

    subscript(ordinal: Int) -> Volume? {
        members.first { $0.ordinal == ordinal }?.volume
    }

    /// The volumes that take `copies` copies of a file, those in `holding` not counted.
    ///
    /// - parameter holding: ordinals of volumes that have a good copy
    /// - throws: ``ArchiveError`` when there are too few, or too little room
    func choose(
        copies: Int, bytes: Int64, holding: Set<Int> = []
    ) throws(ArchiveError) -> [Volume] {
        try ArchiveError.from {
            let candidates = members.map { member in
                Placement.Candidate(
                    ordinal: member.ordinal, domain: member.place.domain,
                    room: (try? member.volume?.room()) ?? 0, state: Self.state(of: member.volume))
            }
            let chosen = try Placement.choose(
                copies: copies, bytes: bytes, among: candidates, holding: holding
            ).volumes.compactMap { self[$0] }
            guard chosen.count + holding.count >= copies else {
                throw ArchiveError(.storage, "\(copies) copies are to be made, and only \(chosen.count + holding.count) can be. Look at «pacsfs status».")
            }
            return chosen
        }
    }

    private static func state(of volume: Volume?) -> Placement.State {
        guard let space = try? volume?.space() else { return .absent }
        return space.isReadOnly ? .closed : .active
    }

    /// Calls `body` for all of `volumes` at once, each on a thread of its own, and waits.
    ///
    /// - throws: what the first of them threw
    static func together<R: Sendable>(
        _ volumes: [Volume], _ body: @escaping @Sendable (Volume) throws -> R
    ) throws -> [R] {
        if volumes.count == 1 { return [try body(volumes[0])] }
        let results = Mutex<[Result<R, any Error>?]>(Array(repeating: nil, count: volumes.count))
        DispatchQueue.concurrentPerform(iterations: volumes.count) { index in
            let result = Result { try body(volumes[index]) }
            results.withLock { $0[index] = result }
        }
        return try results.withLock { $0 }.compactMap { $0 }.map { try $0.get() }
    }
}
