import Foundation
import Storage
import TagIndex

/// What came of adding, retiring or replacing a volume.
public struct VolumeChange: Codable, Sendable {
    /// The volume's number in the archive.
    public var ordinal: Int
    public var path: String
    /// Images that are to be copied now.
    public var images: Int64
    /// Why new images are not stored as often as is wanted; `nil` when they are.
    public var copiesProblem: String?

    enum CodingKeys: String, CodingKey {
        case ordinal, path, images
        case copiesProblem = "copies_problem"
    }
}

// Adding, retiring and replacing volumes. The ledger comes first, the configuration last: what a
// crash leaves in between is a volume that the ledger has and pacsfs.toml has not, and the same
// command goes on from there.
extension Archive {
    /// Makes a folder a further volume of the archive.
    ///
    /// - parameters:
    ///   - path: absolute; a folder that is empty or not there
    ///   - domain: what fails together with it; `nil` for a domain of its own
    /// - throws: ``ArchiveError``; nothing was changed then, or the same call goes on
    public func addVolume(at path: String, domain: String?) throws(ArchiveError) -> VolumeChange {
        try changeVolumes { try add(Settings.VolumePlace(path: path, domain: domain ?? path)) }
    }

    /// Begins to empty a volume. Its images are copied to the others, then it is no part of the
    /// archive any more; what lies on it is left as it is.
    ///
    /// - parameter name: its path or number
    public func retireVolume(_ name: String) throws(ArchiveError) -> VolumeChange {
        try changeVolumes {
            let member = try member(name)
            let others = volumes.members.filter {
                $0.ordinal != member.ordinal && $0.state != .retiring
            }
            guard others.count >= settings.copies else {
                throw ArchiveError(
                    .configuration,
                    "\(member.place.path) cannot be retired: \(settings.copies) copies of each image are wanted, and only \(others.count) other volumes would be left. Add another volume first, or lower «copies» in pacsfs.toml."
                )
            }
            if member.state != .retiring { try catalogue.record([.retire(member.ordinal)]) }
            try adoptVolumes()
            resilver.wake()
            return VolumeChange(
                ordinal: member.ordinal, path: member.place.path,
                images: try index.read { try $0.blobs(on: member.ordinal) })
        }
    }

    /// Puts an empty folder in the place of a volume that is lost.
    ///
    /// - parameters:
    ///   - name: the lost volume's path or number
    ///   - path: absolute; `nil` when the new disk is mounted where the old one was
    ///   - acceptingLoss: goes on although images had their only copy on it
    public func replaceVolume(
        _ name: String, with path: String?, acceptingLoss: Bool = false
    ) throws(ArchiveError) -> VolumeChange {
        try changeVolumes {
            let old = try member(name)
            guard old.volume == nil || old.isReadOnly || old.state == .failing else {
                throw ArchiveError(
                    .configuration,
                    "\(old.place.path) is there and well. To take it out, add another volume, then: pacsfs volume retire \(old.place.path)"
                )
            }
            let path = path ?? old.place.path
            guard old.volume == nil || path != old.place.path else {
                throw ArchiveError(
                    .configuration,
                    "\(path) still has the old volume. Mount the new disk there, or name another folder: pacsfs volume replace \(old.place.path) NEW"
                )
            }
            let only = try index.read { try $0.onlyCopies(on: old.ordinal) }
            guard only == 0 || acceptingLoss else {
                throw ArchiveError(
                    .configuration,
                    "\(only) images have their only copy on \(old.place.path). Try to bring it back first, if only for reading. If it is lost for good: --accept-loss."
                )
            }
            let domain = old.place.domain == old.place.path ? path : old.place.domain
            return try add(Settings.VolumePlace(path: path, domain: domain), inPlaceOf: old)
        }
    }

    /// Takes a volume whose images are all elsewhere out of the archive.
    ///
    /// - parameter last: up to this `instance.id` everything on it was copied
    /// - returns: false when there is more to copy
    func finishRetiring(_ ordinal: Int, copiedTo last: Int64) throws -> Bool {
        // pacsfs.toml is changed by one at a time.
        changingVolumes.lock()
        defer { changingVolumes.unlock() }
        guard let member = volumes.members.first(where: { $0.ordinal == ordinal }) else {
            return true
        }
        observers.movedStaging()
        let problems = takeOverAll(of: member)
        guard problems.isEmpty else {
            let problem =
                "Its images are on other volumes, but not yet all that waits or was set aside on it. "
                + problems[0]
                + (problems.count > 1 ? " (And \(problems.count - 1) more.)" : "")
                + " It is tried again."
            if volumes.note(waiting: problem, of: ordinal) {
                log.warning("\(member.place.path) cannot be taken away yet. \(problem)")
            }
            throw RetirementWaits()
        }
        guard try catalogue.recordRetired(ordinal, copiedTo: last) else { return false }
        volumes.remove(ordinal)
        try configure { try $0.removeVolume(at: member.place.path) }
        log.notice(
            "All images of \(member.place.path) are on other volumes. It is no part of the archive any more and can be taken away."
        )
        return true
    }

    /// How many images have fewer copies than they should.
    func missing() throws -> Int64 {
        try index.read { try $0.totals() }.instances(withFewerThan: settings.copies)
    }

    // MARK: Steps

    private func changeVolumes(_ body: () throws -> VolumeChange) throws(ArchiveError)
        -> VolumeChange
    {
        changingVolumes.lock()
        defer { changingVolumes.unlock() }
        volumes.check()
        var change = try ArchiveError.from(body)
        change.copiesProblem = copiesProblem
        return change
    }

    /// Takes over what the ledger says of the volumes by now.
    func adoptVolumes() throws {
        if volumes.adopt(try index.read { try $0.volumes() }) { observers.movedStaging() }
    }

    private func member(_ name: String) throws -> VolumeSet.Member {
        var members = volumes.members
        // One that pacsfs.toml does not name may be replaced all the same.
        members += try index.read { try $0.volumes() }.filter { record in
            record.state != .retired && !members.contains { $0.ordinal == record.ordinal }
        }.map {
            VolumeSet.Member(
                place: .init(path: $0.domain, domain: $0.domain), ordinal: $0.ordinal, id: $0.id)
        }
        return try VolumeSet.member(name, of: members)
    }

    private func add(
        _ place: Settings.VolumePlace, inPlaceOf old: VolumeSet.Member? = nil
    ) throws -> VolumeChange {
        for member in volumes.members where member.ordinal != old?.ordinal {
            let other = member.place.path
            guard !Self.lieInOneAnother(place.path, other) else {
                throw ArchiveError(
                    .configuration,
                    place.path == other
                        ? "\(place.path) is named twice, or is a volume already. Name another directory, best on another disk."
                        : "\(place.path) and the volume \(other) lie in one another. Each volume needs a directory of its own, best on its own disk."
                )
            }
        }
        let known = try index.read { try $0.volumes() }
        let volume = try made(at: place, known: known)
        _ = try catalogue.ledger.admit(volume)
        try catalogue.replay()
        var facts: [Fact] = []
        if !known.contains(where: { $0.id == volume.identity.volume }) {
            facts.append(.addVolume(volume.identity))
        }
        if let old { facts.append(.replace(old.ordinal, by: volume.identity.ordinal)) }
        if let source = old?.volume {
            let staying = volumes.members.filter { $0.ordinal != old?.ordinal }
            for problem in carryRejected(from: source, to: VolumeSet.staging(of: staying) ?? volume)
            { log.error("\(problem)") }
        }
        try catalogue.record(facts)
        if let old { volumes.remove(old.ordinal) }
        volumes.add(volume, at: place)
        try adoptVolumes()
        if let source = old?.volume {
            observers.movedStaging()
            for problem in takeOverIncoming(of: source) { log.error("\(problem)") }
        }
        try configure { settings in
            if let old, settings.hasVolume(at: old.place.path) {
                try settings.removeVolume(at: old.place.path)
            }
            try settings.addVolume(place)
        }
        resilver.wake()
        return VolumeChange(
            ordinal: volume.identity.ordinal, path: place.path, images: try missing())
    }

    /// A new volume, or one that an earlier call made before it was interrupted.
    private func made(at place: Settings.VolumePlace, known: [VolumeRecord]) throws -> Volume {
        if let volume = try? Volume.open(at: place.path, archive: id) {
            let record = known.first { $0.id == volume.identity.volume }
            guard
                record == nil
                    || record?.state == .active
                        && !volumes.members.contains(where: { $0.id == record?.id })
            else {
                throw ArchiveError(
                    .configuration,
                    "\(place.path) has been volume \(volume.identity.ordinal) of this archive already, and was retired or is in use. Use an empty folder."
                )
            }
            try volume.claim()
            return volume
        }
        let ordinal =
            max(known.map(\.ordinal).max() ?? 0, volumes.members.map(\.ordinal).max() ?? 0) + 1
        let volume = try Volume.create(
            at: place.path, archive: id, ordinal: ordinal, domain: place.domain)
        try volume.claim()
        return volume
    }
}
