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
    init(_ places: [Settings.VolumePlace], archive id: String) throws(ArchiveError) {
        members = places.enumerated().map { index, place in
            do {
                let volume = try Volume.open(at: place.path, archive: id)
                return Member(place: place, ordinal: volume.identity.ordinal, volume: volume)
            } catch {
                return Member(place: place, ordinal: index + 1, volume: nil, problem: "\(error)")
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
