import Foundation
import Storage
import System
import TagIndex

/// The volumes of an archive, present or absent. They come and go while the archive is open.
final class VolumeSet: Sendable {
    struct Member: Sendable {
        var place: Settings.VolumePlace
        /// Its number in the archive, from 1; negative while it is unknown.
        var ordinal: Int
        /// Its UUID; `nil` while it is unknown.
        var id: String?
        /// `nil` while it is absent.
        var volume: Volume?
        /// Why it is absent or read-only.
        var problem: String?
        /// Why others can change it, while it is there.
        var exposure: String?
        /// Whether it is there, and not used because others can change it.
        var isRefused = false
        /// Whether its file system can be written to.
        var isReadOnly = false
        /// What its file system said last; `nil` while it is absent.
        var space: FileSystemSpace?
        /// Its disk, as often as that was given up while calls on it have not returned.
        var givenUp: [DiskCalls] = []
        /// Its state in the ledger.
        var state = VolumeState.active
        /// What lay on the same disk when it was last there: see `Archive.Identity`.
        var neighbours: [Int]?
        /// Whether its copies do not count any more until it is back.
        var isGivenUp = false
    }

    struct State {
        var members: [Member]
        var staging: Volume
    }

    let state: Lock<State>
    /// Called with a volume that has gone, and why; without a reason when it has left the archive.
    let onLoss = Lock<(@Sendable (Volume, _ problem: String?) -> Void)?>(nil)
    let archive: String
    /// How long anybody waits for a disk; `nil` for as long as it takes.
    let patience: DiskPatience?
    /// The volumes that are being looked at, so that no disk costs more than one thread.
    let looks = Lock<[ObjectIdentifier: PendingCall<Void, StorageError>]>([:])

    /// Opens the volumes that are there, for this process alone.
    ///
    /// - Parameter known: The ordinals of the archive's volumes by their paths, for those that are
    ///   absent.
    /// - Parameter patience: Watched already.
    /// - Throws: ``ArchiveError`` when none of them is there, or another process works with one.
    init(
        _ places: [Settings.VolumePlace], archive id: String, known: [String: Int],
        patience: DiskPatience? = nil
    ) throws(ArchiveError) {
        archive = id
        self.patience = patience
        var members: [Member] = []
        for (index, place) in places.enumerated() {
            // A number that no volume has, when the ordinal is unknown.
            var member = Member(place: place, ordinal: known[place.path] ?? -1 - index)
            let disk = patience.map { DiskCalls($0, holding: place.path) }
            do throws(StorageError) {
                let volume = try Volume.open(at: place.path, archive: id, disk: disk)
                if let other = members.first(where: {
                    $0.volume?.identity.volume == volume.identity.volume
                }) {
                    throw Self.clone(at: place.path, of: other)
                }
                try volume.claim()
                Self.put(volume, into: &member)
            } catch  where error.code == .inUse {
                // Unlike an absent volume it cannot be left out: another process writes there.
                throw ArchiveError(error)
            } catch {
                member.problem = "\(error)"
                member.isRefused = error.code == .permissionDenied
                if let disk, disk.hasGivenUp { member.givenUp.append(disk) }
            }
            members.append(member)
        }
        // A present volume knows its ordinal. `known` may still give that ordinal to a path that
        // had this volume before.
        let present = Set(members.filter { $0.volume != nil }.map(\.ordinal))
        for index in members.indices
        where members[index].volume == nil && present.contains(members[index].ordinal) {
            members[index].ordinal = -1 - index
        }
        guard let staging = Self.staging(of: members) else {
            throw ArchiveError(
                .storage,
                "None of the archive's volumes is there: "
                    + members.compactMap(\.problem).joined(separator: "; "))
        }
        state = Lock(State(members: members, staging: staging))
        for volume in members.compactMap(\.volume) { watch(volume) }
    }

    static func clone(at path: String, of other: Member) -> StorageError {
        StorageError(
            .notAVolume, "this is a copy of the volume \(other.place.path), not another one",
            path: path,
            remedy: "Mount the right disk here, or take the path out of pacsfs.toml")
    }

    static func put(_ volume: Volume, into member: inout Member) {
        member.volume = volume
        member.ordinal = volume.identity.ordinal
        member.id = volume.identity.volume
        member.isGivenUp = false
        member.isRefused = false
        member.exposure = nil
        member.isReadOnly = (try? volume.isMountedReadOnly()) ?? false
        member.problem = member.isReadOnly ? readOnlyProblem(volume) : nil
        member.space = try? volume.space()
        member.givenUp.removeAll { !$0.isBusy }
    }

    static func readOnlyProblem(_ volume: Volume) -> String {
        """
        \(volume.path) is mounted read-only. See dmesg for why, check the file system, and mount \
        it again.
        """
    }

    /// The first that can be written to; otherwise the first that is there.
    static func staging(of members: [Member]) -> Volume? {
        let present = members.filter { $0.volume != nil }
        let best =
            present.first { !$0.isReadOnly && $0.state == .active }
            ?? present.first { !$0.isReadOnly } ?? present.first
        return best?.volume
    }

    // MARK: Looking

    var members: [Member] { state.withLock { $0.members } }

    /// The volumes that can be read.
    var online: [Volume] { members.compactMap(\.volume) }

    /// The volumes that can be written to.
    var writable: [Volume] { members.filter { !$0.isReadOnly }.compactMap(\.volume) }

    /// The volume of `/incoming`. It changes when that volume goes or retires.
    var staging: Volume { state.withLock { $0.staging } }

    /// The volume with this ordinal; `nil` while it is absent.
    subscript(ordinal: Int) -> Volume? {
        state.withLock { $0.members.first { $0.ordinal == ordinal }?.volume }
    }

    /// Whether the volume still belongs to the set and can be written to.
    func isWritable(_ volume: Volume) -> Bool {
        state.withLock { $0.members.contains { $0.volume === volume && !$0.isReadOnly } }
    }

    /// Ordinals of volumes whose copies will leave the archive.
    var retiring: Set<Int> {
        state.withLock { Set($0.members.filter { $0.state == .retiring }.map(\.ordinal)) }
    }

    /// The member with this path or ordinal.
    ///
    /// - Throws: ``ArchiveError`` that names the existing ones.
    static func member(_ name: String, of members: [Member]) throws(ArchiveError) -> Member {
        if let member = members.first(where: { $0.place.path == name || String($0.ordinal) == name }
        ) {
            return member
        }
        throw ArchiveError(
            .notFound,
            "The archive has no volume \(name). It has: "
                + members.map { "\($0.ordinal) \($0.place.path)" }.joined(separator: ", ") + ".")
    }

    // MARK: Choosing

    /// Chooses the volumes for new copies of a file: as many as are missing to `copies`, or as
    /// many as possible, but at least to `minimum`.
    ///
    /// - Parameters:
    ///   - holding: Ordinals of volumes that have a good copy.
    ///   - allowingFull: Whether fewer copies will do when volumes are full, and not only when they
    ///     are away. A new image is refused then: whoever copies it hears that the disks are full.
    /// - Throws: ``ArchiveError`` when there are too few volumes, or too little free space.
    func choose(
        copies: Int, minimum: Int, bytes: Int64, holding: Set<Int> = [], allowingFull: Bool = false
    ) throws(ArchiveError) -> [Volume] {
        let members = members
        let disks = DiskLayout(members)
        let candidates = members.map { Self.candidate($0, on: disks) }
        return try ArchiveError.from {
            var refusal: (any Error)?
            // A failing volume gets a copy only where no other can take it.
            for takesFailing in [false, true] {
                let candidates = candidates.map { candidate in
                    var candidate = candidate
                    let isFailing = members.contains {
                        $0.ordinal == candidate.ordinal && $0.state == .failing
                    }
                    if isFailing, !takesFailing { candidate.takesFiles = false }
                    return candidate
                }
                do {
                    return try Placement.choose(
                        copies: copies, bytes: bytes, among: candidates, holding: holding
                    ).compactMap { self[$0] }
                } catch { refusal = refusal ?? error }
            }
            var least = max(minimum, holding.count)
            if !allowingFull {
                let taking = candidates.filter { $0.freeSpace != nil && $0.takesFiles }
                least = max(least, min(copies, holding.union(taking.map(\.ordinal)).count))
            }
            var fewer = copies - 1
            while fewer >= least {
                if let choice = try? Placement.choose(
                    copies: fewer, bytes: bytes, among: candidates, holding: holding)
                {
                    return choice.compactMap { self[$0] }
                }
                fewer -= 1
            }
            throw refusal ?? ArchiveError(.storage, "No volume takes files.")
        }
    }

    private static func candidate(
        _ member: Member, on disks: DiskLayout
    ) -> Placement.Candidate {
        var candidate = Placement.Candidate(
            ordinal: member.ordinal, domain: member.place.domain, freeSpace: nil,
            disk: disks.groups[member.ordinal])
        guard let volume = member.volume, let space = try? volume.space() else { return candidate }
        candidate.freeSpace = volume.freeSpace(in: space)
        candidate.takesFiles =
            !(space.isReadOnly || member.isReadOnly || member.state == .retiring)
        return candidate
    }
}
