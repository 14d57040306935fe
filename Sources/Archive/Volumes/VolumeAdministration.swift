import Foundation
import Logging
import Storage
import System
import TagIndex

/// The outcome of adding, retiring or replacing a volume.
public struct VolumeChange: Codable, Sendable {
    /// The volume's number in the archive.
    public var ordinal: Int
    public var path: String
    /// The number of images to be copied now.
    public var images: Int64
    /// Why new images have fewer copies than wanted; `nil` when they have enough.
    @Nullable public var copiesProblem: String? = nil
    /// Whether it is, or was, a path of disks that are taken home; nothing counts on them.
    @Nullable public var isRemovable: Bool? = nil
}

/// Adds, retires and replaces volumes, and readmits those that come back. One change at a time.
///
/// The ledger comes first, the configuration last: a crash in between leaves a volume that is in
/// the ledger and not in pacsfs.toml, and the same command goes on from there.
final class VolumeAdministration: Sendable {
    let core: ArchiveCore
    let intake: Intake
    let rejected: RejectedFiles
    private let waiting: WaitingFiles
    private let abandoned: AbandonedCommits
    private let configuration: Configuration
    /// Woken when a copy is missing.
    private let resilvering: BackgroundLoop
    /// What the last run left on volumes, and is not finished yet.
    private let unfinished = Lock<[Recovery]>([])
    private let recovering: BackgroundLoop
    private let isRecovering = Lock(false)
    /// Taken during a change: pacsfs.toml is changed by one thread at a time.
    private let changing = Turn()

    var volumes: VolumeSet { core.volumes }
    private var index: TagIndex { core.index }
    private var catalogue: Catalogue { core.catalogue }
    private var settings: Settings { core.settings }
    private var log: Logger { core.log }

    init(
        _ core: ArchiveCore, intake: Intake, rejected: RejectedFiles, waiting: WaitingFiles,
        configuration: Configuration, resilvering: BackgroundLoop
    ) {
        (self.core, self.intake, self.rejected) = (core, intake, rejected)
        self.waiting = waiting
        abandoned = AbandonedCommits(core, intake: intake)
        (self.configuration, self.resilvering) = (configuration, resilvering)
        recovering = BackgroundLoop("recover", clock: core.clock)
    }

    // MARK: Changes

    /// Adds a volume: see ``Archive/addVolume(at:domain:)``.
    func add(at path: String, domain: String?) throws(ArchiveError) -> VolumeChange {
        try change {
            let change = try add(Settings.VolumePlace(path: path, domain: domain ?? path))
            if volumes.members.contains(where: { $0.volume == nil }) {
                volumes.giveUpAbsent()
                try configuration.noteVolumes()
            }
            return change
        }
    }

    /// Begins to empty a volume: see ``Archive/retireVolume(_:)``.
    func retire(_ name: String) throws(ArchiveError) -> VolumeChange {
        try change {
            let member = try member(name)
            let others = volumes.members.filter {
                $0.ordinal != member.ordinal && $0.state != .retiring
            }
            guard others.count >= settings.copies else {
                throw ArchiveError(
                    .configuration,
                    """
                    \(member.place.path) cannot be retired: \(settings.copies) copies of each \
                    image are wanted, and only \(others.count) other volumes would be left. Add \
                    another volume first, or lower \"copies\" in pacsfs.toml.
                    """
                )
            }
            if member.state != .retiring { try catalogue.record([.retire(member.ordinal)]) }
            try core.adoptVolumeRecords()
            resilvering.wake()
            return VolumeChange(
                ordinal: member.ordinal, path: member.place.path,
                images: try index.read { try $0.blobs(on: member.ordinal) })
        }
    }

    /// Puts an empty folder in the place of a lost volume: see
    /// ``Archive/replaceVolume(_:with:acceptingLoss:)``.
    func replace(
        _ name: String, with path: String?, acceptingLoss: Bool, acceptingSharedDisk: Bool
    ) throws(ArchiveError) -> VolumeChange {
        try change {
            let old = try member(name)
            guard old.volume == nil || old.isReadOnly || old.state == .failing else {
                throw ArchiveError(
                    .configuration,
                    """
                    \(old.place.path) is there and well. To take it out, add another volume, then: \
                    pacsfs volume retire \(old.place.path)
                    """
                )
            }
            let path = path ?? old.place.path
            guard old.volume == nil || path != old.place.path else {
                throw ArchiveError(
                    .configuration,
                    """
                    \(path) still has the old volume. Mount the new disk there, or name another \
                    folder: pacsfs volume replace \(old.place.path) NEW
                    """
                )
            }
            if !acceptingSharedDisk {
                try volumes.requireOwnDisk(of: path, inPlaceOf: old, archive: core.path)
            }
            let only = try index.read { try $0.totals() }.onlyCopies(on: old.ordinal)
            let onlyRejected = try rejected.countOnlyCopies(on: old.volume)
            guard only == 0 && onlyRejected == 0 || acceptingLoss else {
                let what =
                    only > 0
                    ? "\(only) images have" : "\(onlyRejected) files that were set aside have"
                throw ArchiveError(
                    .configuration,
                    """
                    \(what) their only copy on \(old.place.path). Try to bring it back \
                    first, if only for reading. If it is lost for good: --accept-loss.
                    """
                )
            }
            let domain = old.place.domain == old.place.path ? path : old.place.domain
            return try add(Settings.VolumePlace(path: path, domain: domain), inPlaceOf: old)
        }
    }

    /// Takes a volume whose images are all elsewhere out of the archive.
    ///
    /// - Parameters:
    ///   - last: All its images up to this `instance.id` were copied.
    ///   - isStopping: Asked before each file that is taken over.
    /// - Returns: False when there is more to copy.
    func finishRetiring(
        _ ordinal: Int, copiedTo last: Int64, unless isStopping: () -> Bool
    ) throws -> Bool {
        try changing.take { try finishRetiringNow(ordinal, copiedTo: last, isStopping) }
    }

    private func finishRetiringNow(
        _ ordinal: Int, copiedTo last: Int64, _ isStopping: () -> Bool
    ) throws -> Bool {
        guard let member = volumes.members.first(where: { $0.ordinal == ordinal }) else {
            return true
        }
        core.observers.movedStaging()
        let problems = takeOverAll(of: member, unless: isStopping)
        guard problems.isEmpty else {
            if isStopping() { throw RetirementWaits() }
            let problem =
                """
                Its images are on other volumes, but not yet all that waits or was set aside on \
                it. 
                """
                + problems[0]
                + (problems.count > 1 ? " (And \(problems.count - 1) more.)" : "")
                + " It is tried again."
            if volumes.note(waiting: problem, of: ordinal) {
                log.warning("\(member.place.path) cannot be taken away yet. \(problem)")
            }
            throw RetirementWaits()
        }
        guard try catalogue.recordRetired(ordinal, copiedTo: last) else { return false }
        if let volume = member.volume { waiting.forget(volume) }
        volumes.remove(ordinal)
        try configuration.change { try $0.removeVolume(at: member.place.path) }
        log.notice(
            """
            All images of \(member.place.path) are on other volumes. It is no part of the archive \
            any more and can be taken away.
            """
        )
        return true
    }

    // MARK: Steps

    private func change(_ body: () throws -> VolumeChange) throws(ArchiveError) -> VolumeChange {
        try changing.take { () throws(ArchiveError) in
            volumes.check()
            var change = try ArchiveError.from(body)
            let staging = volumes.staging
            if volumes.followRoom(copies: settings.copies) {
                core.observers.movedStaging()
                _ = takeOverIncoming(of: staging)
            }
            change.copiesProblem = core.copiesProblem
            return change
        }
    }

    private func member(_ name: String) throws -> VolumeSet.Member {
        var members = volumes.members
        // A volume that pacsfs.toml does not name can be replaced too.
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
            guard !Archive.lieInOneAnother(place.path, other) else {
                throw ArchiveError(
                    .configuration,
                    place.path == other
                        ? """
                        \(place.path) is named twice, or is a volume already. Name another \
                        directory, best on another disk.
                        """
                        : """
                        \(place.path) and the volume \(other) lie in one another. Each volume \
                        needs a directory of its own, best on its own disk.
                        """
                )
            }
        }
        let known = try index.read { try $0.volumes() }
        let volume = try made(at: place, known: known)
        _ = try catalogue.ledger.admit(volume)
        try catalogue.replay()
        var facts: [LedgerEvent] = []
        if !known.contains(where: { $0.id == volume.identity.volume }) {
            facts.append(.addVolume(volume.identity))
        }
        if let old { facts.append(.replace(old.ordinal, by: volume.identity.ordinal)) }
        if let source = old?.volume {
            let staying = volumes.members.filter { $0.ordinal != old?.ordinal }
            let target = VolumeSet.staging(of: staying) ?? volume
            for problem in rejected.carry(from: source, to: target) { log.error("\(problem)") }
        }
        try catalogue.record(facts)
        if let old { volumes.remove(old.ordinal) }
        volumes.add(volume, at: place)
        try core.adoptVolumeRecords()
        if let source = old?.volume {
            core.observers.movedStaging()
            let problems = takeOverIncoming(of: source)
            for problem in problems { log.error("\(problem)") }
            if problems.isEmpty { waiting.forget(source) }
        }
        if old != nil {
            core.observers.movedStaging()
            waiting.takeOver()
        }
        try configuration.change { settings in
            if let old, settings.hasVolume(at: old.place.path) {
                try settings.removeVolume(at: old.place.path)
            }
            try settings.addVolume(place)
        }
        resilvering.wake()
        return VolumeChange(
            ordinal: volume.identity.ordinal, path: place.path,
            images: try index.read { try $0.totals() }.instances(withFewerThan: settings.copies))
    }

    /// A new volume, or one that an earlier call made before it was interrupted.
    private func made(at place: Settings.VolumePlace, known: [VolumeRecord]) throws -> Volume {
        if let volume = try? Volume.open(at: place.path, archive: core.id) {
            let record = known.first { $0.id == volume.identity.volume }
            guard
                record == nil
                    || record?.state == .active
                        && !volumes.members.contains(where: { $0.id == record?.id })
            else {
                throw ArchiveError(
                    .configuration,
                    """
                    \(place.path) has been volume \(volume.identity.ordinal) of this archive \
                    already, and was retired or is in use. Use an empty folder.
                    """
                )
            }
            try volume.claim()
            return volume
        }
        let ordinal =
            max(known.map(\.ordinal).max() ?? 0, volumes.members.map(\.ordinal).max() ?? 0) + 1
        let volume = try Volume.create(
            at: place.path, archive: core.id, ordinal: ordinal, domain: place.domain)
        try volume.claim()
        return volume
    }

    // MARK: Volumes that are there

    /// Applies what the ledger says, and looks at the work that the last run left on the volumes.
    /// Before anything is stored.
    func begin() throws {
        try core.adoptVolumeRecords()
        core.recordUnknownVolumes()
        noteVolumes()
        // All are examined before anything is stored on any: a recovery stores files on other
        // volumes too, where a file of the last run must not be mistaken for a good one.
        let found = volumes.writable.compactMap(recovery)
        unfinished.withLock { $0 = found }
    }

    /// Finishes the work that the last run left on the volumes. It may take long: the archive can
    /// be used meanwhile.
    ///
    /// - Parameter isStopping: Asked before each file; what is left is for the next start.
    func recover(unless isStopping: () -> Bool) {
        while !isStopping(),
            let recovery = unfinished.withLock({ $0.isEmpty ? nil : $0.removeFirst() })
        {
            guard volumes.isWritable(recovery.volume) else { continue }
            var left: Set<Digest> = []
            defer { abandoned.keep(left) }
            do { try recovery.run(leaving: &left, unless: isStopping) } catch {
                left.formUnion(recovery.pendingCommits.map(\.digest))
                log.error(
                    """
                    The unfinished work on \(recovery.volume.path) was left as it is: \(error)
                    """)
            }
        }
        for volume in volumes.writable where volume !== volumes.staging && !isStopping() {
            Recovery(takingOverFrom: volume, archive: intake)
                .gather(on: volumes.staging, unless: isStopping)
        }
        waiting.takeOver()
        abandoned.look(unless: isStopping)
    }

    /// Recovers in the background from now on, and looks at what is left of files that could not be
    /// stored.
    func startRecovering() throws(Errno) {
        isRecovering.withLock { $0 = true }
        let hasBegun = Lock(false)
        try recovering.start { [self] in
            let isFirst = hasBegun.withLock { hasBegun in
                defer { hasBegun = true }
                return !hasBegun
            }
            if isFirst || unfinished.withLock({ !$0.isEmpty }) {
                recover { recovering.isStopping }
            } else {
                abandoned.look { recovering.isStopping }
            }
            return .after(AbandonedCommits.pause)
        }
    }

    func stopRecovering() { recovering.stopAndWait() }

    /// Takes up a volume that is there again: its ledger gets the records it lacks, the work that
    /// was under way on it is finished, and its missing copies are made.
    func readmit(_ volume: Volume) throws {
        guard try !volume.isMountedReadOnly() else {
            volumes.put(volume)
            return
        }
        let recovery = try Recovery(archive: intake, volume: volume)
        do {
            _ = try catalogue.ledger.admit(volume)
            try catalogue.replay()
        } catch {
            // It may lack records that are only on a volume that is away now.
            catalogue.ledger.drop(volume)
            throw error
        }
        // It may have been replaced meanwhile.
        guard volumes.put(volume) else { return catalogue.ledger.drop(volume) }
        try core.adoptVolumeRecords()
        core.recordUnknownVolumes()
        noteVolumes()
        unfinished.withLock { $0.append(recovery) }
        if isRecovering.withLock({ $0 }) { recovering.wake() } else { recover { false } }
        resilvering.wake()
    }

    /// What cannot be noted now, for want of room, is noted at the next start.
    private func noteVolumes() {
        do { try configuration.noteVolumes() } catch {
            log.warning("The disks of the volumes could not be noted in archive.json: \(error)")
        }
    }

    /// A volume that cannot be written must not keep the others from starting.
    private func recovery(_ volume: Volume) -> Recovery? {
        do { return try Recovery(archive: intake, volume: volume) } catch {
            log.error("The unfinished work on \(volume.path) was left as it is: \(error)")
            return nil
        }
    }
}
