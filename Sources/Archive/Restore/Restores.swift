import Storage
import System
import TagIndex

/// Goes on with a restore that was interrupted, while the archive is used: images of the newest
/// studies first. What somebody opens meanwhile comes at once, see ``OffsiteReader``. Images that
/// have lost all copies since come back from remotes too.
final class Restores: Sendable {
    private struct State {
        var progress: RestoreProgress?
        /// When this run began, ns of the clock.
        var begun: Int64 = 0
        var problem: String?
    }

    private let core: ArchiveCore
    private let rejected: RejectedFiles
    private let loop: BackgroundLoop
    /// Woken when all is there: a volume may have lacked room.
    private let resilvering: BackgroundLoop
    private let state = Lock(State())

    init(_ core: ArchiveCore, rejected: RejectedFiles, resilvering: BackgroundLoop) {
        (self.core, self.rejected, self.resilvering) = (core, rejected, resilvering)
        loop = BackgroundLoop("restore", clock: core.clock)
    }

    /// How far it is, or why it does not go on, for `status`; `nil` when nothing is being restored.
    var sentence: String? {
        let now = core.clock.now
        return state.withLock { state in
            if let problem = state.problem { return "The restore does not go on: \(problem)" }
            guard let progress = state.progress else { return Self.unfinished(core.path) }
            return """
                \(Figures.grouped(progress.images)) of \(Figures.grouped(progress.totalImages)) \
                images are restored\(progress.timeLeft(after: now - state.begun)). The others come \
                by themselves, those of the newest studies first, and at once when they are opened.
                """
        }
    }

    /// How far it is; `nil` while nothing is being restored.
    var status: ArchiveStatus.Restore? {
        let now = core.clock.now
        return state.withLock { state in
            state.progress.map { .init($0, timeLeft: $0.secondsLeft(after: now - state.begun)) }
        }
    }

    /// - Returns: `nil` when everything is there, or nobody knows.
    private static func unfinished(_ archive: String) -> String? {
        guard let note = try? RestoreNote.of(archive), note.isPrepared, !note.isDone else {
            return nil
        }
        return "A restore is not finished. It goes on by itself while the archive is mounted."
    }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start { [self] in
            do {
                guard let note = try RestoreNote.of(core.path), note.isPrepared, !note.isDone else {
                    do { try fetchLost() } catch {
                        core.log.error("Images that no volume has cannot be fetched: \(error)")
                    }
                    return .after(Self.pause)
                }
                let report = try run(shouldStop: { [loop] in loop.isStopping }) { _ in }
                state.withLock { $0.problem = nil }
                resilvering.wake()
                if report.lacking > 0 {
                    let problem = """
                        \(report.lacking) images could not be had: see \(report.list ?? ""). \
                        To try again, unmount the archive and run "pacsfs restore" as before, \
                        perhaps from another source.
                        """
                    core.log.error("\(problem)")
                    state.withLock { $0.problem = problem }
                } else if report.isComplete {
                    core.log.notice("Everything is restored.")
                }
                return .after(Self.pause)
            } catch {
                core.log.error("The restore does not go on: \(error)")
                state.withLock { $0.problem = "\(error)" }
                // In ns.
                return .after(60_000_000_000)
            }
        }
    }

    func stop() { loop.stopAndWait() }

    /// Between two looks for images without a copy, ns.
    private static let pause: Int64 = 600_000_000_000

    /// Fetches images of which no volume has a good copy from the remotes that have one.
    ///
    /// - Throws: Why nothing can be had from a remote, or stored.
    func fetchLost() throws {
        for remote in try core.index.read({ try $0.remotes() }) {
            guard try core.index.read({ try $0.lackingImages() }).images > 0 else { return }
            guard let secrets = try? RemoteSecrets(remote.name, of: core.path) else { continue }
            let source = try RestoreOrigin.remote(secrets).source(core.index, scratch: scratch)
            let report = try Restoration(
                core: core, rejected: rejected, source: source, bringsRejected: false
            ).run(shouldStop: { [loop] in loop.isStopping }) { _ in }
            guard report.restored > 0 else { continue }
            core.log.notice(
                "\(report.restored) images were fetched from the remote \"\(remote.name)\".")
            resilvering.wake()
        }
    }

    /// Beside the files that it becomes, so that a small system disk is no limit.
    private var scratch: String { "\(core.volumes.staging.path)/staging/restore" }

    /// Restores until everything is there or `shouldStop` says so. By one thread at a time.
    ///
    /// - Throws: Why nothing can be had from the source, or stored.
    func run(
        shouldStop: @escaping () -> Bool, progress: (RestoreProgress) -> Void
    ) throws -> RestoreReport {
        guard var note = try RestoreNote.of(core.path) else {
            var report = RestoreReport(directory: core.path)
            report.isComplete = true
            return report
        }
        state.withLock { $0.begun = core.clock.now }
        defer { state.withLock { $0.progress = nil } }
        let source = try note.origin(in: core.path).source(core.index, scratch: scratch)
        source.discard()
        let report = try Restoration(core: core, rejected: rejected, source: source)
            .run(shouldStop: shouldStop) { now in
                state.withLock { $0.progress = now }
                progress(now)
            }
        note.isDone = report.isComplete && report.lacking == 0
        try note.write(to: core.path)
        return report
    }
}
