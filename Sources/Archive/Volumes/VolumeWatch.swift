import Logging
import Storage
import System

/// Looks after the volumes while the archive is open: notices those that went, and readmits those
/// that are there again.
final class VolumeWatch: Sendable {
    private let core: ArchiveCore
    private let administration: VolumeAdministration
    /// Woken when a volume takes files that took none before.
    private let resilvering: BackgroundLoop
    private let loop: BackgroundLoop
    /// Paths of volumes whose disks have not answered yet. A disk that hangs must not hold up the
    /// others, nor cost a thread at each look.
    private let unanswered = Lock<Set<String>>([])
    /// Ordinals of the volumes that could be written to at the last look.
    private let writable = Lock<Set<Int>>([])
    /// Between two looks, ns.
    private static let pause: Int64 = 2_000_000_000

    init(_ core: ArchiveCore, administration: VolumeAdministration, resilvering: BackgroundLoop) {
        (self.core, self.administration, self.resilvering) = (core, administration, resilvering)
        loop = BackgroundLoop("watch", clock: core.clock)
    }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start { [self] in
            look()
            return .after(Self.pause)
        }
    }

    func stop() { loop.stopAndWait() }

    /// One look at all volumes.
    func look() {
        core.volumes.checkBriefly()
        for member in core.volumes.members {
            if let volume = member.volume {
                probe(volume, at: member.place.path)
            } else {
                readmit(member)
            }
        }
        followRoom()
        core.catalogue.admitDropped()
        let now = Set(core.volumes.writable.map(\.identity.ordinal))
        let before = writable.withLock { writable in
            defer { writable = now }
            return writable
        }
        if !now.isSubset(of: before) { resilvering.wake() }
    }

    /// Puts `/incoming` on another volume when that has room, and its own has not.
    ///
    /// - Returns: Whether it has moved.
    @discardableResult
    func followRoom() -> Bool {
        guard core.volumes.followRoom(copies: core.settings.copies) else { return false }
        core.log.notice("New files are written on \(core.volumes.staging.path) now: it has room.")
        core.observers.movedStaging()
        // What waits on the other is taken over.
        resilvering.wake()
        return true
    }

    /// Asks a disk whether it answers, on a thread of its own.
    private func probe(_ volume: Volume, at path: String) {
        guard unanswered.withLock({ $0.insert(path).inserted }) else { return }
        let probe: @Sendable () -> Void = { [self] in
            core.volumes.probe(volume)
            if let problem = core.volumes.noteExposure(of: volume) {
                core.log.warning("Others can change the volume \(path): \(problem)")
            }
            unanswered.withLock { _ = $0.remove(path) }
        }
        if let patience = core.volumes.patience { patience.start(probe) } else { probe() }
    }

    private func readmit(_ member: VolumeSet.Member) {
        let path = member.place.path
        // A late write of the last time must not meet what is done from now on.
        guard !core.volumes.isStuck(at: path) else { return }
        do {
            let volume = try core.volumes.open(at: path)
            try administration.readmit(volume)
            core.log.notice("The volume \(path) is there again.")
        } catch {
            let isRefused = (error as? StorageError)?.code == .permissionDenied
            if core.volumes.note("\(error)", isRefused: isRefused, at: path) {
                core.log.warning("The volume \(path) is absent: \(error)")
            }
        }
    }
}
