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
    /// has none is, and one volume that is there twice: two copies on it would be one.
    init(_ places: [Settings.VolumePlace], archive id: String) throws(ArchiveError) {
        var members: [Member] = []
        for place in places {
            do {
                let volume = try Volume.open(at: place.path, archive: id)
                members.append(Member(place: place, ordinal: volume.identity.ordinal, volume: volume))
            } catch {
                members.append(Member(place: place, ordinal: 0, volume: nil, problem: "\(error)"))
            }
        }
        var owners: [Int: Settings.VolumePlace] = [:]
        for member in members where member.volume != nil {
            if let other = owners.updateValue(member.place, forKey: member.ordinal) {
                throw ArchiveError(
                    .configuration,
                    "\(other.path) and \(member.place.path) are both volume \(member.ordinal) of the archive: one directory under two names, or a copy of it. Leave one of them in pacsfs.toml.")
            }
        }
        // Those that are absent have the numbers that are left, in the order of pacsfs.toml,
        // whatever the order of the others there.
        var next = 1
        for index in members.indices where members[index].volume == nil {
            while owners[next] != nil { next += 1 }
            members[index].ordinal = next
            next += 1
        }
        self.members = members
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

    /// The volumes that take `copies` copies of a file.
    func choose(copies: Int, bytes: Int64) throws(ArchiveError) -> [Volume] {
        try ArchiveError.from {
            let candidates = members.map { member in
                Placement.Candidate(
                    ordinal: member.ordinal, domain: member.place.domain,
                    room: (try? member.volume?.room()) ?? 0, state: Self.state(of: member.volume))
            }
            return try Placement.choose(copies: copies, bytes: bytes, among: candidates)
                .volumes.compactMap { self[$0] }
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
