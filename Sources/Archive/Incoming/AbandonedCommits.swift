import Storage
import System

/// Sees to names in `staging/commit` with which nothing is on its way any more.
///
/// The file of `/incoming` that such a name belongs to may go another way before it is archived:
/// a kill came before the end of its RENAME, so that it waits under a temporary name; its user
/// removes it, or gives it other bytes; it is set aside. Others are left by an image that could not
/// be recorded, or that ``Recovery`` could not archive for want of volumes. Here it says what
/// becomes of a name that was there at the last look already; the first line that applies decides:
///
///     its bytes are on their way into the archive     stays
///     they are archived                               goes, when the blob is there
///     /incoming shows it, and will submit it          stays
///     it has a name in /incoming, or is a blob        is archived
///     ``Recovery`` could not archive it               is archived
///     otherwise                                       goes, and with it the room that it takes
///
/// What is to be archived and cannot be is tried again after a while.
final class AbandonedCommits: Sendable {
    private struct Name: Hashable {
        var ordinal: Int
        var digest: Digest
        var inode: UInt64
    }

    private struct State {
        /// What was there at the last look.
        var seen: Set<Name> = []
        /// What recovery could not archive.
        var unfinished: Set<Digest> = []
        var failures: [Digest: Failure] = [:]
    }

    private struct Failure {
        /// How often in a row.
        var times = 0
        /// When the next attempt is due, ns.
        var next: Int64 = .min
    }

    private let core: ArchiveCore
    private let intake: Intake
    private let state = Lock(State())
    /// Taken by each look.
    private let looking = Turn()
    /// Between two looks, ns.
    static let pause: Int64 = 2_000_000_000
    /// After the first failure, ns.
    private static let firstPause: Int64 = 30_000_000_000

    init(_ core: ArchiveCore, intake: Intake) { (self.core, self.intake) = (core, intake) }

    /// Remembers what recovery has found whole and could not archive.
    func keep(_ digests: Set<Digest>) { state.withLock { $0.unfinished.formUnion(digests) } }

    /// Looks at all volumes while `/incoming` is shown; otherwise ``Recovery`` sees to everything.
    ///
    /// - Parameter isStopping: Asked before each name.
    func look(unless isStopping: () -> Bool) {
        guard core.observers.showsIncoming else { return }
        looking.take {
            let before = state.withLock { $0.seen }
            var now: Set<Name> = []
            for volume in core.volumes.writable where !isStopping() {
                let ordinal = volume.identity.ordinal
                let names = ((try? volume.stagedNames()) ?? [:]).map {
                    Name(ordinal: ordinal, digest: $0.key, inode: $0.value)
                }
                now.formUnion(names)
                let old = names.filter(before.contains)
                if !old.isEmpty { look(at: old, of: volume, unless: isStopping) }
            }
            let digests = Set(now.map(\.digest))
            state.withLock { state in
                state.seen = now
                state.unfinished.formIntersection(digests)
                state.failures = state.failures.filter { digests.contains($0.key) }
            }
        }
    }

    private func look(at names: [Name], of volume: Volume, unless isStopping: () -> Bool) {
        let staging = StagingArea(volume: volume)
        // A file that is submitted after this is archived as a duplicate.
        guard let others = core.observers.inodesToBeArchived(on: staging) else { return }
        for name in names where !others.contains(name.inode) && !isStopping() {
            guard isDue(name.digest) else { continue }
            do { try end(name, on: volume) } catch {
                postpone(name.digest)
                core.log.warning(
                    "\(name.digest.hex) in staging of \(volume.path) waits: \(error)")
            }
        }
    }

    private func end(_ name: Name, on volume: Volume) throws {
        let recovery = Recovery(takingOverFrom: volume, archive: intake)
        var abandoned: PendingCommit?
        _ = try intake.whileIdle(name.digest) {
            guard let pending = try volume.pendingCommit(name.digest) else { return }
            if try recovery.isIndexed(name.digest) {
                if try volume.isStagedBlob(name.digest) { try volume.finish([name.digest]) }
            } else if isWanted(pending, on: volume) {
                abandoned = pending
            } else {
                try volume.finish([name.digest])
            }
        }
        guard let abandoned else { return }
        if case .failed = try recovery.finish(abandoned) { postpone(name.digest) }
    }

    private func isWanted(_ pending: PendingCommit, on volume: Volume) -> Bool {
        if state.withLock({ $0.unfinished.contains(pending.digest) }) { return true }
        // Where a copy is staged, its bytes alone tell that the file in /incoming is whole.
        guard volume.hasHardLinks, pending.stagedBytes != nil,
            let file = try? volume.openPending(pending.digest)
        else { return true }
        return StagedFile(file.release()).links > 1
    }

    // MARK: Failures

    private func isDue(_ digest: Digest) -> Bool {
        state.withLock { ($0.failures[digest]?.next ?? .min) <= core.clock.now }
    }

    private func postpone(_ digest: Digest) {
        let now = core.clock.now
        state.withLock { state in
            var failure = state.failures[digest] ?? Failure()
            failure.times += 1
            failure.next = now + GrowingPause.after(failure.times, first: Self.firstPause)
            state.failures[digest] = failure
        }
    }
}
