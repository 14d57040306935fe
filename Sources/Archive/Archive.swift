import Logging
import Storage
import System
import TagIndex

/// An archive: a directory with the index and the configuration, and the volumes with everything
/// that matters.
///
/// ```
/// ARCHIVE/
///   pacsfs.toml      configuration
///   archive.json     its id
///   index.sqlite     the tag index: a cache
///   index.rebuilt    when and why it was last made anew
///   scrub.json       scrubs that are not finished
///   lock             the process that has it open
///   drills/          reports of drills, and the key that they are signed with
/// ```
///
/// README.md explains the words (blob, volume, ledger, …) under "Twenty words".
///
/// This type is the way in. The work is done by its parts, each of which owns its state and locks:
///
///     ArchiveCore            settings, volumes, ledger and index: what the parts share
///     Intake                 files on their way into the archive
///     ImageReader            images that are read; copies that are healed
///     OffsiteReader          images that are fetched, because no volume has them
///     RejectedFiles          files below /rejected
///     Configuration          pacsfs.toml
///     VolumeAdministration   volumes that are added, retired, replaced, or come back
///     OffsiteRemotes         places away from this machine
///     Maintenance            everything that happens in the background
public final class Archive: Sendable {
    let core: ArchiveCore
    let intake: Intake
    let images: ImageReader
    let reader: OffsiteReader
    let rejected: RejectedFiles
    let configuration: Configuration
    let administration: VolumeAdministration
    let maintenance: Maintenance
    let offsite: OffsiteRemotes
    private let lock: ArchiveLock

    /// The archive's directory.
    public var path: String { core.path }
    /// The archive's id, a UUID.
    public var id: String { core.id }
    /// Where messages go.
    public var log: Logger { core.log }
    /// The time, as everything in the archive sees it.
    public var clock: any MonotonicClock { core.clock }
    /// What `pacsfs.toml` says, as far as it is in use.
    public var settings: Settings { core.settings }
    /// What was refused to users lately.
    public var refusals: ShareRefusals { core.refusals }
    var volumes: VolumeSet { core.volumes }
    var catalogue: Catalogue { core.catalogue }
    /// The tag index, for look-ups. A request of a viewer is answered from it alone.
    public var index: TagIndex { core.index }

    /// Opens an archive for this process alone, and finishes what the last run left.
    ///
    /// - Parameters:
    ///   - path: The archive's directory.
    ///   - log: Where messages go.
    ///   - clock: The time; tests have one that they move by hand.
    ///   - patience: How long anybody waits for a disk; `nil` for what `pacsfs.toml` says.
    ///   - recoversLater: Whether what the last run left is finished in the background, from
    ///     ``startMaintenance()`` on: it may take long.
    /// - Throws: ``ArchiveError``: it is not there, another process has it, its configuration
    ///   makes no sense, or none of its volumes is there.
    public init(
        at path: String, log: Logger, clock: any MonotonicClock = SystemClock(),
        patience: DiskPatience? = nil, recoversLater: Bool = false
    ) throws(ArchiveError) {
        let settings = try Settings(file: ArchivePaths(path).configuration)
        _ = try Self.identity(of: path)
        lock = try ArchiveLock(archive: path)
        core = try ArchiveError.from {
            let patience = patience ?? DiskPatience(limit: Int64(settings.patience * 1e9))
            try patience.start()
            return try ArchiveCore.open(
                at: path, settings: settings, log: log, clock: clock, patience: patience)
        }
        let resilvering = BackgroundLoop("resilver", clock: clock)
        let viewMaking = BackgroundLoop("views", clock: clock)
        let checker = CopyChecker(verified: VerifiedBlobs(), clock: clock)
        let repairs = CopyRepairs()
        rejected = RejectedFiles(core)
        images = ImageReader(
            core, checker: checker, repairs: repairs, resilvering: resilvering)
        reader = OffsiteReader(core, images: images)
        intake = Intake(core, rejected: rejected, checker: checker, repairs: repairs)
        configuration = Configuration(core, viewMaking: viewMaking)
        let waiting = WaitingFiles(core, intake: intake)
        offsite = OffsiteRemotes(core, images: images, rejected: rejected)
        administration = VolumeAdministration(
            core, intake: intake, rejected: rejected, waiting: waiting,
            configuration: configuration, resilvering: resilvering)
        let resilver = Resilver(
            core, images: images, administration: administration, rejected: rejected,
            loop: resilvering)
        let views = ViewMaking(core, loop: viewMaking)
        let removable = RemovableVolumes(core, rejected: rejected)
        let restores = Restores(core, rejected: rejected, resilvering: resilvering)
        let drills = Drills(
            core, offsite: offsite, rejected: rejected, removable: removable)
        maintenance = Maintenance(
            administration: administration,
            watch: VolumeWatch(core, administration: administration, resilvering: resilvering),
            resilver: resilver, waiting: waiting, views: views,
            scrubs: Scrubs(core, images: images),
            restores: restores, offsite: offsite, drills: drills,
            alerts: Alerts(core) {
                [core, rejected, intake, configuration, offsite] in
                let report = StatusReport(
                    core: core, unpacking: intake.zips.all, resilver: resilver.progress,
                    rejected: rejected, waiting: waiting, offsite: offsite,
                    restoring: restores.sentence, restore: restores.status, drills: drills,
                    viewsProblem: views.problem,
                    configurationProblem: configuration.problem, removable: removable)
                return try report.status(pending: nil, readMode: nil, mountpoint: nil)
            }, removable: removable)
        Self.watchForLosses(core, checker.verified, resilvering)
        try ArchiveError.from { try administration.begin() }
        if !recoversLater { recover() }
    }

    /// Keeps nothing of a volume that goes.
    private static func watchForLosses(
        _ core: ArchiveCore, _ verified: VerifiedBlobs, _ resilvering: BackgroundLoop
    ) {
        // Not the whole core: the volumes keep this closure, and must not keep themselves.
        let (ledger, observers, log) = (core.catalogue.ledger, core.observers, core.log)
        let settings = core.currentSettings
        core.volumes.observeLoss { [weak volumes = core.volumes] volume, problem in
            ledger.drop(volume)
            verified.forget(volume)
            if let problem {
                log.error("The volume \(volume.path) takes nothing more. \(problem)")
                if let volumes,
                    let text = ArchiveCore.copiesProblem(of: volumes, settings.value)
                {
                    log.error("NOT SAFE: \(text)")
                }
            }
            observers.lost(volume: volume.identity.ordinal)
            // Rejected files may have to be shown from another volume.
            resilvering.wake()
        }
    }

    // MARK: Lifetime

    /// Starts the background work: from now on volumes that go and come are noticed, and missing
    /// copies and views are made, until ``close()``.
    ///
    /// - Throws: ``ArchiveError`` when the system has no room for more threads.
    public func startMaintenance() throws(ArchiveError) {
        do throws(Errno) {
            try maintenance.start()
        } catch {
            throw ArchiveError(
                .resources, "The background work of the archive cannot be started", cause: error,
                remedy: "Raise TasksMax of the service.")
        }
    }

    /// Finishes what the last run left: files that it had begun to store, and files that wait in
    /// `/incoming` of volumes where nobody shows it.
    public func recover() { administration.recover { false } }

    /// Finishes the work under way. From then on files are refused at once; images can still be
    /// read.
    public func drain() {
        maintenance.stop()
        reader.stop()
        intake.drain()
    }

    /// Finishes the work under way, and closes the archive. An archive that is not closed keeps
    /// its threads and its volumes.
    public func close() {
        drain()
        index.close()
        core.volumes.release()
        // Not left to the last reference: a thread that is just ending may have one still.
        lock.release()
    }

    /// Reports changes from now on, until ``stopObserving()``.
    ///
    /// - Parameters:
    ///   - views: Learns of changes of the views.
    ///   - incoming: Works in the directory of `/incoming`.
    public func observe(views: any ViewObserver, incoming: (any IncomingOwner)? = nil) {
        core.observers.set(views: views, incoming: incoming)
    }

    /// Reports no more changes.
    public func stopObserving() { core.observers.set(views: nil, incoming: nil) }

    /// The process that has the archive at `path` open; `nil` when none has.
    public static func holder(of path: String) -> Int32? { ArchiveLock.holder(archive: path) }
}
