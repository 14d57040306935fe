import Foundation
import Storage
import System
import TagIndex

/// Drills, when somebody asks for one, and by a schedule.
final class Drills: Sendable {
    let core: ArchiveCore
    private let offsite: OffsiteRemotes
    private let rejected: RejectedFiles
    private let removable: RemovableVolumes
    /// One at a time.
    private let turn = Turn()
    /// Of the last drill of each source, by its key.
    private let notes = Lock<[String: DrillNote]>([:])
    private let loop: BackgroundLoop

    /// Until the first look, and between two, ns: a day may begin with starting the machine.
    private static let first: Int64 = 600_000_000_000
    private static let pause: Int64 = 3_600_000_000_000
    private static let day: Int64 = 86_400_000_000_000

    init(
        _ core: ArchiveCore, offsite: OffsiteRemotes, rejected: RejectedFiles,
        removable: RemovableVolumes
    ) {
        (self.core, self.offsite) = (core, offsite)
        (self.rejected, self.removable) = (rejected, removable)
        loop = BackgroundLoop("drill", clock: core.clock)
    }

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start(first: .after(Self.first)) { [self] in
            do { try drillDue(at: core.clock.utc) } catch {
                if !loop.isStopping { core.log.error("A drill could not be done: \(error)") }
            }
            return .after(Self.pause)
        }
    }

    func stop() {
        loop.stopAndWait()
        // One that a command has asked for ends too, and removes what came; only a remote that
        // does not answer may hold it up.
        turn.wait(atMost: 20_000_000_000)
    }

    // MARK: Sources

    /// Everything that images can be restored from now: of disks that are taken home, those that
    /// are here.
    ///
    /// - Throws: ``IndexError`` when the index is damaged.
    func sources() throws -> [DrillSource] {
        let volumes = core.volumes.members.filter { $0.ordinal > 0 && $0.state != .retiring }
        return try volumes.map { .volume($0.ordinal) }
            + core.index.read { try $0.remotes().map { .remote($0.name) } }
            + removable.places.filter(\.isHere).map { .volume($0.ordinal) }
    }

    /// - Parameter name: A remote, or the path or ordinal of a volume.
    /// - Throws: ``ArchiveError`` with code `notFound`.
    private func source(_ name: String) throws -> DrillSource {
        if try core.index.read({ try $0.remotes() }).contains(where: { $0.name == name }) {
            return .remote(name)
        }
        let members = core.volumes.members
        if let member = try? VolumeSet.member(name, of: members), member.ordinal > 0 {
            return .volume(member.ordinal)
        }
        let places = removable.places
        if let place = places.first(where: { $0.path == name || "\($0.ordinal)" == name }) {
            guard place.isHere else {
                throw ArchiveError(
                    .notFound, "The disk of \(place.path) is not here, or not complete.",
                    remedy: "Plug it in, and wait until \"pacsfs status\" says that it is complete."
                )
            }
            return .volume(place.ordinal)
        }
        let names = try sources().map(\.argument).joined(separator: ", ")
        throw ArchiveError(
            .notFound, "There is no remote or volume \"\(name)\".",
            remedy: names.isEmpty ? "" : "There are: \(names).")
    }

    // MARK: Drilling

    /// See ``Archive/drill(_:isFull:shouldStop:progress:)``.
    func run(
        _ names: [String], isFull: Bool, shouldStop: @escaping () -> Bool,
        progress: @escaping (DrillProgress) -> Void
    ) throws -> [DrillReport] {
        let chosen = try names.isEmpty ? sources() : names.map { try source($0) }
        return try chosen.map {
            try drill($0, isFull: isFull, shouldStop: shouldStop, progress: progress)
        }
    }

    private func drill(
        _ source: DrillSource, isFull: Bool, shouldStop: @escaping () -> Bool,
        progress: @escaping (DrillProgress) -> Void
    ) throws -> DrillReport {
        try turn.take {
            let found = try look(source, isFull: isFull, shouldStop, progress)
            let (report, digest) = try DrillFolder(archive: core.path).keep(found)
            try core.catalogue.record([.drill(DrillEvent(report, digest: digest))])
            notes.withLock { $0[source.key] = DrillNote(report, digest: digest.bytes) }
            if report.result == .failed {
                let first = report.failures.first.map { " \($0.text)" } ?? ""
                core.log.error("The drill of \(source.key) failed.\(first)")
            } else {
                core.log.notice("\(DrillDocument(report).headline)")
            }
            return report
        }
    }

    /// Drills a source, without keeping what was found.
    private func look(
        _ source: DrillSource, isFull: Bool, _ shouldStop: @escaping () -> Bool,
        _ progress: @escaping (DrillProgress) -> Void
    ) throws -> DrillReport {
        let loop = loop
        let place = place(of: source)
        var drill = Drill(
            core, offsite: offsite, rejected: rejected, source, removable: place, isFull: isFull,
            seed: .random(in: 0..<1 << 30),
            shouldStop: { loop.isStopping || shouldStop() }, show: progress)
        let report = try drill.run()
        // A disk may be taken home at any time: that is no fault of what is on it.
        if let place, report.result == .failed, !removable.isHere(place) {
            throw ArchiveError(
                .notFound, "The disk of \(place.path) was pulled out in the drill.",
                remedy: "Plug it in again: it is drilled then.")
        }
        return report
    }

    /// Where a disk is that is taken home; `nil` for other sources.
    private func place(of source: DrillSource) -> RemovableVolumes.Place? {
        guard case .volume(let ordinal) = source else { return nil }
        return removable.places.first { $0.ordinal == ordinal }
    }

    /// The same of one source, for tests.
    func look(_ name: String) throws -> DrillReport {
        try look(source(name), isFull: false, { false }, { _ in })
    }

    /// Drills what is due: each source once in the days that `pacsfs.toml` says, and one that
    /// failed again after a day.
    ///
    /// - Parameter now: The time, ns since 1970.
    func drillDue(at now: Int64) throws {
        let days = core.settings.drillDays
        guard days > 0 else { return }
        for state in try status(at: now) {
            if loop.isStopping { return }
            guard let source = state.source, isReady(source, at: now) else { continue }
            let last = state.last?.nanoseconds ?? state.since
            let wait =
                state.result == .failed ? min(Double(Self.day), days * 86_400e9) : days * 86_400e9
            guard Double(now - last) >= wait else { continue }
            _ = try drill(source, isFull: false, shouldStop: { false }, progress: { _ in })
        }
    }

    /// Whether a source can be drilled now. A volume that is away cannot, and `status` says so; nor
    /// a remote that nothing was brought to, or outside its hours.
    private func isReady(_ source: DrillSource, at now: Int64) -> Bool {
        switch source {
        case .volume(let ordinal):
            return core.volumes[ordinal] != nil || place(of: source)?.isHere == true
        case .remote(let name):
            let remotes = (try? core.index.read { try $0.remotes() }) ?? []
            guard remotes.first(where: { $0.name == name })?.pushed != nil else { return false }
            guard let hours = core.settings.remote(name).hours else { return true }
            var seconds = time_t(now / 1_000_000_000)
            var local = tm()
            localtime_r(&seconds, &local)
            return hours.contains(Int(local.tm_hour) * 60 + Int(local.tm_min))
        }
    }

    // MARK: Status

    /// The last drill of each source.
    ///
    /// - Parameter now: The time, ns since 1970.
    /// - Throws: ``IndexError`` when the index is damaged.
    func status(at now: Int64) throws -> [ArchiveStatus.Drill] {
        let (records, remotes, created) = try core.index.read {
            (try $0.drills(), try $0.remotes(), try $0.created())
        }
        let days = core.settings.drillDays
        let away = removable.places.filter { !$0.isHere }.map { DrillSource.volume($0.ordinal) }
        return try (sources() + away).map { source in
            let record = records.first { $0.source == source.key }
            var since = created
            if case .remote(let name) = source {
                since = remotes.first { $0.name == name }?.added ?? created
            }
            let place = place(of: source)
            since = place?.added?.nanoseconds ?? since
            var state = ArchiveStatus.Drill(
                source: source, record, record.map { note(of: $0, source) }, since: since)
            let age = Double(now - (record?.time ?? since))
            state.isOverdue = days > 0 && age > days * 86_400e9 + Double(Self.grace(days))
            // One that is at home is drilled when it is here again.
            if away.contains(source) { state.isOverdue = false }
            state.place = place?.path
            return state
        }
    }

    /// What the report of a drill says; it is read once.
    private func note(of record: DrillRecord, _ source: DrillSource) -> DrillNote {
        let known = notes.withLock { $0[source.key] }
        if let known, known.report == record.report { return known }
        let note = DrillNote(of: record.report, source, in: core.path)
        notes.withLock { $0[source.key] = note }
        return note
    }

    /// How long a drill may be late, ns: the machine may be off, or the network.
    private static func grace(_ days: Double) -> Int64 {
        min(7 * day, Int64(days * 86_400e9 / 2))
    }
}

extension Archive {
    /// Restores images from sources, each alone, compares them with the archive, and keeps a report
    /// that is signed.
    ///
    /// - Parameters:
    ///   - names: Remotes, and paths or ordinals of volumes; none means all.
    ///   - isFull: Whether everything is restored, and not a sample.
    ///   - shouldStop: Asked between images.
    ///   - progress: Called on the calling thread.
    /// - Returns: A report for each; what did not fit is in it.
    /// - Throws: ``ArchiveError`` when there is no such source, or the report cannot be kept.
    public func drill(
        _ names: [String] = [], isFull: Bool = false,
        shouldStop: @escaping () -> Bool = { false },
        progress: @escaping (DrillProgress) -> Void = { _ in }
    ) throws(ArchiveError) -> [DrillReport] {
        try ArchiveError.from {
            try maintenance.drills.run(
                names, isFull: isFull, shouldStop: shouldStop, progress: progress)
        }
    }
}
