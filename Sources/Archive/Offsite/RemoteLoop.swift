import Glibc
import Logging
import Offsite
import Storage
import System
import TagIndex

/// Keeps one remote up to date, by a thread of its own.
final class RemoteLoop: Sendable {
    let name: String
    private let core: ArchiveCore
    private let images: ImageReader
    private let rejected: RejectedFiles
    private let rclone: Rclone
    private let loop: BackgroundLoop
    /// One push or check at a time, of the thread or of a command.
    private let turn = Turn()
    private let shown = Lock(RemoteState())

    private struct Work {
        var queue = RemoteQueue()
        var tail = LedgerTail()
        /// See ``RemoteRound/taken``.
        var taken: Set<String> = []
        /// Whether somebody has to print the recovery sheet first, which is looked at often.
        var waitsForSheet = false
        /// When records are to go that wait for others, ns since 1970; `nil` when none wait.
        var newsDue: Int64?
        var access: (configuration: RemoteConfiguration, access: RemoteAccess)?
    }

    /// Belongs to the holder of the turn.
    private let work = Lock(Work())
    /// The one that runs; ended by ``stop()``.
    private let running = Lock<RemoteAccess?>(nil)

    private static let second: Int64 = 1_000_000_000
    /// Between two looks while images keep coming.
    private static let glance = 5 * second
    /// How long records wait for others, as images do for their series.
    private static let quiet = 120 * second
    /// Between two looks when nothing comes: once a day the ledger goes, whatever is in it.
    private static let longest = 3600 * second

    init(
        _ name: String, _ core: ArchiveCore, images: ImageReader, rejected: RejectedFiles,
        rclone: Rclone
    ) {
        (self.name, self.core, self.images) = (name, core, images)
        (self.rejected, self.rclone) = (rejected, rclone)
        loop = BackgroundLoop("offsite \(name)", clock: core.clock)
    }

    var state: RemoteState { shown.withLock { $0 } }

    // MARK: Lifetime

    /// Works in the background, until ``stop()``.
    ///
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    func start() throws(Errno) {
        let loop = loop
        core.catalogue.arrivals.listen(name) { loop.wake() }
        shown.withLock { $0.rest(.waiting) }
        try loop.start { [self] in next() }
    }

    /// Ends the work under way, and the thread.
    func stop() {
        core.catalogue.arrivals.stopListening(name)
        loop.stop()
        running.withLock { $0 }?.stop()
        loop.stopAndWait()
        shown.withLock { $0.rest(.off) }
    }

    /// Has it look soon, whatever it waits for.
    func wake() {
        shown.withLock { state in
            state.pausedUntil = nil
            state.lastLook = nil
        }
        loop.wake()
    }

    private func next() -> BackgroundLoop.Next {
        if loop.isStopping { return .whenWoken }
        let now = core.clock.now
        if let until = shown.withLock({ $0.pausedUntil }), until > now {
            return .after(until - now)
        }
        // While images keep coming one look does for many of them.
        if let last = shown.withLock({ $0.lastLook }), now - last < Self.glance {
            return .after(last + Self.glance - now)
        }
        shown.withLock { $0.lastLook = now }
        core.catalogue.arrivals.looked(name)
        if let wait = waitForHours() {
            shown.withLock { $0.rest(.resting) }
            return .after(wait)
        }
        do {
            try turn.take {
                try checkDaily()
                _ = try round(isAll: false) { _ in }
            }
        } catch { return .after(note(error)) }
        return .after(pause())
    }

    /// Nanoseconds until it may be pushed to; `nil` when it may now.
    private func waitForHours() -> Int64? {
        guard let hours = core.settings.remote(name).hours else { return nil }
        var (seconds, day) = (time_t(core.clock.utc / Self.second), tm())
        localtime_r(&seconds, &day)
        let minutes = hours.wait(from: Int(day.tm_hour) * 60 + Int(day.tm_min))
        return minutes == 0 ? nil : Int64(minutes) * 60 * Self.second
    }

    /// Nanoseconds until something is due.
    private func pause() -> Int64 {
        let due = work.withLock { work in
            [work.queue.plan.nextDue, work.newsDue].compactMap(\.self).min()
        }
        guard let due else { return Self.longest }
        // A few seconds later: images may come that belong to the same pack.
        return min(Self.longest, max(Self.glance, due - core.clock.utc))
    }

    /// The first image that is not there. Those before it are not looked at again.
    ///
    /// - Throws: The errors of the index.
    func firstPending(_ remote: RemoteRecord) throws -> PendingImage? {
        let complete = shown.withLock { $0.complete }
        let first = try core.index.read {
            try $0.firstPending(onRemote: remote.id, after: complete)
        }
        if let first { shown.withLock { $0.complete = first.id - 1 } }
        return first
    }

    // MARK: Work

    /// Believes nothing to be there any more, and looks for everything.
    ///
    /// - Throws: ``ArchiveError`` when the ledger cannot be written.
    func forget() throws {
        try turn.take {
            try core.catalogue.record([.remote(.forget(name))])
            work.withLock { work in
                work.queue.restart()
                work.taken = []
            }
            shown.withLock { $0.complete = 0 }
        }
        wake()
    }

    /// Brings away everything that waits, for a command.
    ///
    /// - Returns: Why something did not go, a sentence each.
    /// - Throws: Why the rest did not go.
    func push(_ show: @escaping (PushProgress) -> Void) throws -> [String] {
        shown.withLock { $0.pausedUntil = nil }
        do {
            return try turn.take { try round(isAll: true, show) }
        } catch {
            _ = note(error)
            throw error
        }
    }

    /// Takes note of a failure.
    ///
    /// - Returns: Nanoseconds to wait.
    private func note(_ error: any Error) -> Int64 {
        // Images of which nobody knows whether they went are looked for from the start.
        work.withLock { $0.queue.restart() }
        let fault = (error as? OffsiteError)?.code
        if fault == .stopped, loop.isStopping { return 0 }
        let isBlocked: Bool =
            switch fault {
            case .credentials, .configuration, .wrongKeys, .noRclone: true
            case nil: (error as? ArchiveError)?.code == .notFound
            default: false
            }
        let now = core.clock.now
        let until = shown.withLock { state in
            // Only here does anybody try again: a command that fails has failed.
            let then = isBlocked || !loop.isRunning ? "" : " It is tried again by itself."
            state.fail("\(error)\(then)", isBlocked: isBlocked, at: now)
            return state.pausedUntil ?? now
        }
        if work.withLock({ $0.waitsForSheet }) {
            shown.withLock { $0.pausedUntil = now + Self.glance }
            return Self.glance
        }
        core.log.error("Remote \"\(name)\": \(error)")
        return until - now
    }

    /// Compares the remote with what was recorded.
    ///
    /// - Parameter isFetching: Whether every object is fetched and hashed too.
    /// - Throws: Why it could not be compared.
    func check(
        isFetching: Bool, _ show: @escaping (CheckProgress) -> Void
    ) throws -> RemoteCheckReport {
        try turn.take { try checkNow(budget: isFetching ? nil : 0, show) }
    }

    /// - Parameter budget: Bytes that are fetched; `nil` for everything.
    private func checkNow(
        budget: Int64?, _ show: @escaping (CheckProgress) -> Void
    ) throws -> RemoteCheckReport {
        guard
            let remote = try core.index.read({ try $0.remotes() }).first(where: { $0.name == name })
        else { throw ArchiveError(.notFound, "There is no remote \"\(name)\".") }
        let access = try access(to: remote)
        running.withLock { $0 = access }
        let before = shown.withLock { state in
            let before = state
            state.activity = .checking
            return before
        }
        defer {
            running.withLock { $0 = nil }
            shown.withLock { state in
                (state.activity, state.complete) = (before.activity, 0)
            }
        }
        try requireMarker(access)
        let (loop, begun) = (loop, core.clock.utc)
        var check = RemoteCheck(
            core: core, remote: remote, access: access,
            shouldStop: { loop.isStopping }, show: show)
        try check.list()
        if budget != 0 { try check.fetch(budget: budget, before: begun) }
        // What is not there goes again.
        work.withLock { $0.queue.restart() }
        if !check.report.faults.isEmpty {
            core.log.error(
                """
                Remote "\(name)": \(check.report.faults.count) objects are not as they should be.
                """
            )
            self.loop.wake()
        }
        return check.report
    }

    private static let day = 86_400 * second

    /// Checks once a day, and fetches a share of everything, so that all is read in `check_days`.
    private func checkDaily() throws {
        guard
            let remote = try core.index.read({ try $0.remotes() }).first(where: { $0.name == name }
            ),
            remote.pushed != nil, core.clock.utc - (remote.checked ?? remote.added) >= Self.day
        else { return }
        let settings = core.settings.remote(name)
        let total = try core.index.read { try $0.objectBytes(onRemote: remote.id) }
        let share = settings.checkDays > 0 ? max(1, Int64(Double(total) / settings.checkDays)) : 0
        _ = try checkNow(budget: min(share, settings.checkBytes ?? .max)) { _ in }
    }

    /// - Returns: Why something did not go, although the rest did.
    private func round(
        isAll: Bool, _ show: @escaping (PushProgress) -> Void
    ) throws -> [String] {
        guard
            let remote = try core.index.read({ try $0.remotes() }).first(where: { $0.name == name })
        else { return [] }
        var (queue, taken) = work.withLock { ($0.queue, $0.taken) }
        let loop = loop
        _ = try queue.look(on: remote.id, core.index, shouldStop: { loop.isStopping })
        let due = queue.due(at: core.clock.utc, isAll: isAll)
        work.withLock { $0.queue = queue }
        guard try isAll || !due.isEmpty || hasOthers(remote) else {
            shown.withLock { $0.idle() }
            return []
        }
        let access = try access(to: remote)
        running.withLock { $0 = access }
        defer { running.withLock { $0 = nil } }
        shown.withLock { state in
            state.activity = .pushing
            state.pausedUntil = nil
        }
        try requireMarker(access)
        var round = try RemoteRound(
            core: core, images: images, rejected: rejected, remote: remote, access: access,
            taken: taken, tail: work.withLock { $0.tail },
            lockedUntil: try lockedUntil(access),
            shouldStop: { loop.isStopping },
            show: { [self] progress in
                shown.withLock { $0.progress = progress }
                show(progress)
            })
        defer { round.staging.remove() }
        defer {
            taken = round.taken
            let tail = round.tail
            work.withLock { ($0.queue, $0.taken, $0.tail) = (queue, taken, tail) }
        }
        try round.push(due, &queue, isAll: isAll)
        let problems = round.problems
        if round.speed.time > Self.second / 10 {
            let rate = Int64(Double(round.speed.bytes) / Double(round.speed.time) * 1e9)
            shown.withLock { $0.rate = rate }
        }
        // What did not go is looked for again, and under another name if somebody has its own.
        if !problems.isEmpty || round.unreadable > 0 { queue.restart() }
        if let error = problems.first(where: { $0.code != .modified }) { throw error }
        shown.withLock { $0.rest(.waiting, problems.first.map { "\($0)" }) }
        return problems.map { "\($0)" }
    }

    /// Until when the server is asked to keep what goes there now.
    ///
    /// - Throws: `OffsiteError` when this rclone cannot ask for it.
    func lockedUntil(_ access: RemoteAccess) throws(OffsiteError) -> Timestamp? {
        guard let years = core.settings.remote(name).keepYears else { return nil }
        let version = try rclone.version()
        guard ObjectLock.isPossible(access.configuration.location, version) else {
            throw OffsiteError(
                .configuration,
                "keep_years needs a remote of type s3 and rclone \(RcloneVersion.withObjectLock), "
                    + "and this is rclone \(version)",
                path: name,
                remedy: "Install a newer rclone (PACSFS_RCLONE names it), or leave out keep_years.")
        }
        return Timestamp(nanoseconds: core.clock.utc + Int64(years * 365.25 * 86_400) * Self.second)
    }

    /// Tries with the keys of this machine to destroy objects that are made for that, and records
    /// what became of them.
    ///
    /// - Throws: Why nobody can tell.
    func testWipe() throws -> ArchiveStatus.Remote.WipeTest {
        try turn.take {
            guard
                let remote = try core.index.read({ try $0.remotes() }).first(where: {
                    $0.name == name
                })
            else { throw ArchiveError(.notFound, "There is no remote \"\(name)\".") }
            let access = try access(to: remote, isForImages: false)
            running.withLock { $0 = access }
            defer { running.withLock { $0 = nil } }
            // A day, so that they do not stay for years.
            let tomorrow = Timestamp(nanoseconds: core.clock.utc + Self.day)
            let lock = try lockedUntil(access).map { _ in ObjectLock(until: tomorrow) }
            let outcome = try access.testWipe(lock: lock)
            let event = WipeTestEvent(
                name, overwrite: WipeResult(outcome.overwrite),
                delete: WipeResult(outcome.delete), shorten: outcome.shorten.map { WipeResult($0) })
            try core.catalogue.record([.wipeTest(event)])
            return ArchiveStatus.Remote.WipeTest(
                RemoteRecord.WipeTest(
                    time: core.clock.utc, overwrite: event.overwrite.rawValue,
                    delete: event.delete.rawValue, shorten: event.shorten?.rawValue))
        }
    }

    /// Whether something is to go besides images. Rejected files have records, too.
    private func hasOthers(_ remote: RemoteRecord) throws -> Bool {
        work.withLock { $0.newsDue = nil }
        let end = core.catalogue.position
        let (through, isFaulty) = try core.index.read { reader in
            (
                try reader.ledgerThrough(onRemote: remote.id),
                try reader.hasFaultyTail(onRemote: remote.id)
            )
        }
        if through == 0 || isFaulty { return true }
        guard through < end.number else { return false }
        let ledger = core.catalogue.ledger
        guard let volume = ledger.volumes.first.flatMap({ core.volumes[$0] }) else { return false }
        let open = OffsiteLayout.segment(end.segment, site: ledger.site)
        var tail = work.withLock { $0.tail }
        let piece = try tail.piece(volume.path + "/" + open, of: end, after: through)
        work.withLock { [tail] in $0.tail = tail }
        guard let news = piece?.firstNews(at: core.clock.utc) else { return false }
        let due = news + Self.quiet
        if due <= core.clock.utc { return true }
        work.withLock { $0.newsDue = due }
        return false
    }

    /// The remote, with the keys and settings of now.
    ///
    /// - Parameter isForImages: Whether what is worth keeping goes there with it.
    private func access(
        to remote: RemoteRecord, isForImages: Bool = true
    ) throws -> RemoteAccess {
        let secrets = try RemoteSecrets(name, of: core.path)
        guard secrets.id == remote.uuid else {
            throw OffsiteError(
                .configuration, "The keys here are those of another remote of this name",
                path: name, remedy: "Write those of the recovery sheet.")
        }
        if isForImages, secrets.keys != nil, secrets.sheet == nil {
            work.withLock { $0.waitsForSheet = true }
            throw OffsiteError(
                .configuration,
                "Nothing is brought away before the keys are kept outside this building",
                path: name, remedy: "Print the recovery sheet, or save it elsewhere.")
        }
        work.withLock { $0.waitsForSheet = false }
        let configuration = try secrets.configuration(core.settings.remote(name))
        if let known = work.withLock({ $0.access }), known.configuration == configuration {
            return known.access.another()
        }
        let access = try RemoteAccess(configuration, rclone)
        work.withLock { $0.access = (configuration, access) }
        return access.another()
    }

    /// A share that is not mounted is an empty folder, and wrong keys show an empty remote.
    private func requireMarker(_ access: RemoteAccess) throws(OffsiteError) {
        if case .archive(let marker) = try access.contents(), marker.archive == core.id { return }
        throw OffsiteError(
            .configuration, "The remote does not have this archive's marker any more",
            path: OffsiteLayout.marker,
            remedy: "Is the share mounted, the bucket the right one? Nothing was written.")
    }
}
