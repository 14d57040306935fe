import Foundation
import Logging
import Storage
import System
import TagIndex

/// An archive: a directory with the index and the configuration, and the volumes with
/// everything that matters.
///
/// ```
/// ARCHIVE/
///   pacsfs.toml      configuration
///   archive.json     its id
///   index.sqlite     the tag index: a cache
///   index.rebuilt    when and why it was last made anew
///   lock             which process has it
/// ```
public final class Archive: Sendable {
    public let path: String
    private let current: CurrentSettings
    public let id: String
    public let index: TagIndex
    let volumes: VolumeSet
    let catalogue: Catalogue
    private let pipeline: IngestPipeline
    /// Zip archives on their way.
    let zips = ZipQueue()
    let observers = Observers()
    /// Makes the copies that are missing.
    let resilver = Resilver()
    private let watch = VolumeWatch()
    let scrubTurn = ScrubTurn()
    private let schedule = ScrubSchedule()
    /// Makes the views that are wanted and not shown.
    let views = ViewMaking()
    /// Why `pacsfs.toml` was not taken into use when it was read again; `nil` when it was.
    let configurationProblem = Lock<String?>(nil)
    private let upkeep = ThreadGroup()
    /// Files that were seen to be good lately.
    let good = GoodVersions()
    /// Held while bad copies are dealt with: two readers must not mend the same one.
    let healing = NSLock()
    /// Held while volumes are added, retired or replaced.
    let changingVolumes = NSLock()
    private let lock: ArchiveLock
    /// Held while a file is set aside: two of the same name must not find it free together.
    let rejecting = NSLock()
    /// Where messages go.
    public let log: Logger

    static let configurationName = "pacsfs.toml"
    static let idName = "archive.json"
    static let indexName = "index.sqlite"

    /// Opens an archive for this process alone, and brings it to a clean state.
    ///
    /// - throws: ``ArchiveError``: it is not there, another process has it, its configuration
    ///   makes no sense, or none of its volumes is there.
    public init(at path: String, log: Logger) throws(ArchiveError) {
        self.path = path
        self.log = log
        let settings = try Settings(file: Self.file(Self.configurationName, in: path))
        current = CurrentSettings(settings)
        let identity = try Self.identity(of: path)
        id = identity.archive
        lock = try ArchiveLock(archive: path)
        volumes = try VolumeSet(
            settings.volumes, archive: id,
            known: Dictionary(identity.volumes.map { ($0.path, $0.ordinal) }) { first, _ in first })
        for member in volumes.members {
            guard let problem = member.problem else { continue }
            log.error(
                "The volume \(member.place.path) is \(member.isReadOnly ? "read-only" : "absent"): \(problem)"
            )
        }
        let (id, volumes, observers, healing) = (id, volumes, observers, healing)
        (index, catalogue) = try ArchiveError.from {
            let (ledger, recovery) = try Ledger.open(on: volumes.online, archive: id)
            for volume in recovery.volumes {
                if let failure = volume.failure {
                    log.error("The ledger of volume \(volume.volume): \(failure)")
                }
                if let torn = volume.tornTail {
                    log.notice(
                        "Cut off \(torn.bytes) unfinished bytes of the ledger of volume \(volume.volume)."
                    )
                }
            }
            let opening = IndexOpening(archive: path, ledger: ledger, volumes: volumes, log: log)
            func start(_ index: TagIndex) throws -> (Catalogue, replayed: Int) {
                let catalogue = try Catalogue(
                    index: index, ledger: ledger, volumes: volumes, settings: settings,
                    actor: Self.actor, log: log)
                return (catalogue, try catalogue.start(settings))
            }
            var index = try opening.open()
            try Self.requireNewest(ledger, volumes, for: index)
            let catalogue: Catalogue
            let replayed: Int
            do {
                (catalogue, replayed) = try start(index)
            } catch  where Self.isIndexUseless(error) {
                index = try opening.rebuild(
                    because: "The index does not fit the ledger, or is damaged: \(error)",
                    replacing: index)
                (catalogue, replayed) = try start(index)
            }
            if replayed > 0 { log.notice("Took \(replayed) records of the ledger into the index.") }
            return (index, catalogue)
        }
        let preparation = Preparation(
            volumes: volumes, index: index, copies: (settings.copies, settings.minimumCopies),
            ignoresDirectories: { [current] in current.value.ignoresDirectories })
        pipeline = IngestPipeline(
            preparation: preparation,
            committer: Committer(
                preparation: preparation, catalogue: catalogue, observers: observers,
                healing: healing
            ),
            workers: max(2, min(8, ProcessInfo.processInfo.activeProcessorCount)))
        try ArchiveError.from {
            volumes.observeLoss { [catalogue, volumes, observers, good, resilver, log] volume in
                catalogue.ledger.drop(volume)
                good.forget(volume)
                let member = volumes.members.first { $0.ordinal == volume.identity.ordinal }
                // One that was retired or replaced is no member any more, and no loss.
                if let member {
                    log.error(
                        "The volume \(volume.path) takes nothing more. \(member.problem ?? "")")
                }
                observers.lost(volume: volume.identity.ordinal)
                // What was set aside may have to be shown from another volume.
                resilver.wake()
            }
            try adoptVolumes()
            recordUnknownVolumes()
            // All are looked at before anything is stored on any: what one finishes goes to the
            // others too, where a file of the last run must not be taken for good.
            for recovery in volumes.writable.compactMap(recovery) { recover(recovery) }
            for volume in volumes.writable where volume !== volumes.staging {
                try? Recovery(archive: self, volume: volume).gather(on: volumes.staging)
            }
        }
    }

    /// What `pacsfs.toml` says, as far as it is in use.
    public var settings: Settings { current.value }

    func replaceSettings<R: Sendable>(_ change: (inout Settings) -> R) -> R {
        current.replace(change)
    }

    /// When the index knows records that the volumes here have not, the one that has them is
    /// away. To go on without it would be to write other records in their place, and that
    /// volume could not be taken up again.
    ///
    /// - throws: ``ArchiveError`` that says which volumes to look for
    private static func requireNewest(_ ledger: Ledger, _ volumes: VolumeSet, for index: TagIndex)
        throws
    {
        guard let known = try? index.read({ try $0.position() }),
            known.number > UInt64(ledger.position.number)
        else { return }
        let taking = ledger.volumes
        let missing = volumes.members.filter { $0.volume == nil || !taking.contains($0.ordinal) }
        guard !missing.isEmpty else { return }
        throw ArchiveError(
            .storage,
            "The volumes that are here end with record \(ledger.position.number), and record \(known.number) was written. Bring back \(missing.map(\.place.path).joined(separator: " or ")), which has what came since. If that is lost for good, «pacsfs rebuild» goes on with what is here."
        )
    }

    /// A volume that cannot be written must not keep the others from starting.
    private func recovery(_ volume: Volume) -> Recovery? {
        do { return try Recovery(archive: self, volume: volume) } catch {
            log.error("What was under way on \(volume.path) was left as it is: \(error)")
            return nil
        }
    }

    private func recover(_ recovery: Recovery) {
        do { try recovery.run() } catch {
            log.error("What was under way on \(recovery.volume.path) was left as it is: \(error)")
        }
    }

    /// From now on volumes that go and come are noticed, and what lacks copies gets them,
    /// until ``close()``.
    public func startUpkeep() {
        upkeep.start("watch") { [watch, unowned self] in watch.run(self) }
        upkeep.start("resilver") { [resilver, unowned self] in resilver.serve(self) }
        upkeep.start("views") { [views, unowned self] in views.run(self) }
        upkeep.start("scrub") { [schedule, unowned self] in schedule.run(self) }
    }

    /// Makes the copies that are missing, and returns when that is done.
    public func makeMissingCopies() throws(ArchiveError) -> ResilverProgress {
        try ArchiveError.from {
            try resilver.run(self)
            return resilver.progress
        }
    }

    /// Makes the views that `pacsfs.toml` asks for, and returns when they are shown.
    public func makeViews() throws(ArchiveError) { try ArchiveError.from { try views.make(self) } }

    /// Takes up a volume that is there again: its ledger gets what it lacks, what was under way
    /// on it is finished, and its missing copies are made.
    func takeUp(_ volume: Volume) throws {
        guard try !volume.isMountedReadOnly() else {
            volumes.put(volume)
            return
        }
        let recovery = try Recovery(archive: self, volume: volume)
        do {
            _ = try catalogue.ledger.admit(volume)
            try catalogue.replay()
        } catch {
            // It may lack records that only a volume has which is away now.
            catalogue.ledger.drop(volume)
            throw error
        }
        // It may have been replaced meanwhile.
        guard volumes.put(volume) else { return catalogue.ledger.drop(volume) }
        try adoptVolumes()
        recordUnknownVolumes()
        do { try recovery.run() } catch {
            log.error("What was under way on \(volume.path) was left as it is: \(error)")
        }
        resilver.wake()
    }

    private static func file(_ name: String, in path: String) -> String { path + "/" + name }

    /// Who writes records: the user of this process.
    private static var actor: String { NSUserName() }

    /// Whether another index would help.
    private static func isIndexUseless(_ error: any Error) -> Bool {
        switch error {
        // The index knows records that the ledger has not: the volumes that are here are older
        // than it. What they have is shown.
        case let error as StorageError: error.code == .corrupt
        case let error as ArchiveError: error.code == .index
        default: IndexError.isDamage(error)
        }
    }

    /// When and why the index was last made anew, by a start or by «pacsfs rebuild»; `nil` when
    /// it never was.
    public var indexRebuilt: IndexRebuilt? { IndexOpening.note(of: path) }

    /// Finishes what is under way. From then on nothing is archived, and everybody who wants that
    /// is told so at once; what there is can still be read.
    public func drain() {
        watch.stop()
        resilver.stop()
        schedule.stop()
        views.stop()
        scrubTurn.close()
        upkeep.wait(for: "watch")
        upkeep.wait(for: "resilver")
        upkeep.wait(for: "scrub")
        upkeep.wait(for: "views")
        zips.stop()
        pipeline.drain()
    }

    /// Finishes what is under way, and lets the archive go.
    public func close() {
        drain()
        index.close()
        volumes.release()
    }

    /// How many views show an image of a series.
    public func links(ofSeries series: Int64, _ reader: IndexReader) throws -> Int {
        let common = catalogue.commonLinks.load(ordering: .relaxed)
        return common > 0 ? common : try reader.links(ofSeries: series)
    }

    /// Has changes reported from now on, until ``stopObserving()``.
    ///
    /// - Parameters:
    ///   - views: Learns of changes of the views.
    ///   - incoming: Works in the directory of `/incoming`.
    public func observe(views: any ViewObserver, incoming: (any IncomingOwner)? = nil) {
        observers.set(views: views, incoming: incoming)
    }

    /// Nobody shows the archive any more.
    public func stopObserving() { observers.set(views: nil, incoming: nil) }

    // MARK: Ingest

    /// Archives a file, or the images in it when it is a zip archive. `completion` is called
    /// once, from another thread, when the file is safe or is known not to be.
    public func ingest(
        _ request: IngestRequest,
        completion: @escaping @Sendable (Result<IngestOutcome, ArchiveError>) -> Void
    ) {
        if !request.isExtracted, request.refusal == nil, Self.isZip(request.file.descriptor) {
            let path =
                request.source.hasPrefix("incoming/")
                ? String(request.source.dropFirst(9)) : request.source
            return zips.submit(request, to: self, rejectedPath: path, completion: completion)
        }
        let log = log
        pipeline.submit(request) { result in
            switch result {
            case .failure(let error): log.error("\(error.message)")
            case .success(.archived(_, let what?)), .success(.sameDataSet(_, let what?)):
                log.notice(
                    "\(request.source) is archived as it is, but cut off: \(what). Look for a better copy."
                )
            case .success(.sameDataSet):
                log.info(
                    "\(request.source) has the data set of an image that was archived before; only the file header differs. Both are kept."
                )
            case .success: break
            }
            completion(result)
        }
    }

    /// Whether an open file is a zip archive, whose images are to be archived.
    public static func isZip(_ descriptor: Int32) -> Bool {
        ZipReader.isZip(descriptor: descriptor)
    }

    /// - throws: ``ArchiveError`` when a file of `bytes` bytes would not fit on as many
    ///   volumes as are wanted
    public func checkRoom(for bytes: Int64) throws(ArchiveError) {
        volumes.check()
        _ = try volumes.choose(
            copies: settings.copies, minimum: settings.minimumCopies, bytes: max(1, bytes))
    }

    /// - throws: ``ArchiveError`` when what is written to `/incoming` would use up the reserve
    public func checkStagingRoom() throws(ArchiveError) {
        try ArchiveError.from { try volumes.staging.requireRoom(for: 1) }
    }

    /// Where `/incoming` and `/rejected` lie, until that volume goes.
    public var staging: StagingArea { StagingArea(volume: volumes.staging) }

    /// A call below `/incoming` has failed: finds out whether its volume has.
    public func suspect(_ staging: StagingArea, isReadOnly: Bool) {
        let error = StorageError(
            isReadOnly ? .readOnly : .io, "incoming cannot be written to",
            path: staging.volume.path, remedy: "")
        volumes.suspect(staging.volume, error)
    }

    /// What new files can take, in bytes, when each is stored as often as is wanted; and how
    /// many images there are.
    public func room() throws(ArchiveError) -> (total: Int64, free: Int64, images: Int64) {
        try ArchiveError.from {
            let retiring = volumes.retiring
            let rooms = volumes.writable.filter { !retiring.contains($0.identity.ordinal) }
                .map { ((try? $0.room()) ?? 0, (try? $0.space().total) ?? 0) }
            let totals = try index.read { try $0.sums() }
            guard rooms.count >= settings.minimumCopies, !rooms.isEmpty else {
                return (totals.bytes, 0, totals.instances)
            }
            let copies = min(settings.copies, rooms.count)
            return (
                Self.fitting(rooms.map(\.1), copies: copies),
                Self.fitting(rooms.map(\.0), copies: copies),
                totals.instances
            )
        }
    }

    /// How much fits on volumes of these sizes when each byte is kept on `copies` different ones:
    /// the largest amount of which the volumes can hold that many times as much, none of them
    /// more than once.
    static func fitting(_ sizes: [Int64], copies: Int) -> Int64 {
        var (least, most) = (Int64(0), sizes.reduce(0, +) / Int64(copies) + 1)
        while most - least > 1 {
            let amount = (least + most) / 2
            let held = sizes.reduce(0) { $0 + min($1, amount) }
            if held >= amount * Int64(copies) { least = amount } else { most = amount }
        }
        return least
    }

    // MARK: Reading

    /// Opens the identity file of a volume, to find out what can be done with its files.
    ///
    /// - returns: a descriptor that the caller closes
    public func openIdentity() throws(ArchiveError) -> Int32 {
        try ArchiveError.from { try volumes.staging.openIdentity().release() }
    }
}
