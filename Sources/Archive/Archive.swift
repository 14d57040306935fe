import Foundation
import Logging
import Storage
import Synchronization
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
    public let settings: Settings
    public let id: String
    public let index: TagIndex
    let volumes: VolumeSet
    let catalogue: Catalogue
    private let pipeline: IngestPipeline
    private let observer = ObserverBox()
    private let lock: ArchiveLock
    /// Held while a file is set aside: two of the same name must not find it free together.
    let rejecting = NSLock()
    let log: Logger

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
        settings = try Settings(file: Self.file(Self.configurationName, in: path))
        let identity = try Self.identity(of: path)
        id = identity.archive
        lock = try ArchiveLock(archive: path)
        volumes = try VolumeSet(
            settings.volumes, archive: id,
            known: Dictionary(identity.volumes.map { ($0.path, $0.ordinal) }) { first, _ in first })
        for member in volumes.members {
            if let problem = member.problem { log.error("Volume \(member.ordinal) is absent: \(problem)") }
        }
        let (id, settings, volumes, observer) = (id, settings, volumes, observer)
        (index, catalogue) = try ArchiveError.from {
            let (ledger, recovery) = try Ledger.open(on: volumes.online, archive: id)
            for volume in recovery.volumes {
                if let failure = volume.failure { log.error("The ledger of volume \(volume.volume): \(failure)") }
                if let torn = volume.tornTail {
                    log.notice("Cut off \(torn.bytes) unfinished bytes of the ledger of volume \(volume.volume).")
                }
            }
            let opening = IndexOpening(archive: path, ledger: ledger, volumes: volumes, log: log)
            func start(_ index: TagIndex) throws -> (Catalogue, replayed: Int) {
                let catalogue = try Catalogue(
                    index: index, ledger: ledger, volumes: volumes, settings: settings, actor: Self.actor, log: log)
                return (catalogue, try catalogue.start(settings))
            }
            var index = try opening.open()
            let catalogue: Catalogue
            let replayed: Int
            do {
                (catalogue, replayed) = try start(index)
            } catch where Self.isIndexUseless(error) {
                index = try opening.rebuild(
                    because: "The index does not fit the ledger, or is damaged: \(error)", replacing: index)
                (catalogue, replayed) = try start(index)
            }
            if replayed > 0 { log.notice("Took \(replayed) records of the ledger into the index.") }
            return (index, catalogue)
        }
        pipeline = IngestPipeline(
            preparation: Preparation(volumes: volumes, index: index, copies: settings.copies),
            committer: Committer(volumes: volumes, catalogue: catalogue, observer: observer),
            workers: max(2, min(8, ProcessInfo.processInfo.activeProcessorCount)))
        try ArchiveError.from { try Recovery(archive: self).run() }
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

    /// Finishes what is under way, and lets the archive go.
    public func close() {
        pipeline.drain()
        index.close()
    }

    /// How many views show each image.
    public var viewCount: Int { catalogue.views.count }

    /// Who is told of changes.
    public func observe(_ observer: (any ChangeObserver)?) { self.observer.set(observer) }

    // MARK: Ingest

    /// Archives a file. `completion` is called once, from another thread, when the file is
    /// safe or is known not to be.
    public func ingest(
        _ request: IngestRequest,
        completion: @escaping @Sendable (Result<IngestOutcome, ArchiveError>) -> Void
    ) {
        let log = log
        pipeline.submit(request) { result in
            if case .failure(let error) = result { log.error("\(error.message)") }
            completion(result)
        }
    }

    /// - throws: ``ArchiveError`` when a file of `bytes` bytes would not fit on as many
    ///   volumes as are wanted
    public func checkRoom(for bytes: Int64) throws(ArchiveError) {
        _ = try volumes.choose(copies: settings.copies, bytes: max(1, bytes))
    }

    /// - throws: ``ArchiveError`` when what is written to `/incoming` would use up the reserve
    public func checkStagingRoom() throws(ArchiveError) {
        try ArchiveError.from { try volumes.staging.requireRoom(for: 1) }
    }

    /// Where `/incoming` lies.
    public var incomingDescriptor: Int32 { volumes.staging.incomingDescriptor }

    /// Where `/rejected` lies.
    public var rejectedDescriptor: Int32 { volumes.staging.rejectedDescriptor }

    /// What new files can take, in bytes, when each is stored as often as is wanted; and how
    /// many images there are.
    public func room() throws(ArchiveError) -> (total: Int64, free: Int64, images: Int64) {
        try ArchiveError.from {
            let rooms = volumes.online.map { ((try? $0.room()) ?? 0, (try? $0.space().total) ?? 0) }
                .sorted { $0.0 > $1.0 }
            let totals = try index.read { try $0.totals() }
            // The volume with the least room of those that get a copy decides.
            guard rooms.count >= settings.copies else { return (totals.bytes, 0, totals.instances) }
            let last = rooms[settings.copies - 1]
            return (last.1, last.0, totals.instances)
        }
    }

    // MARK: Reading

    /// Opens the identity file of a volume, to find out what can be done with its files.
    ///
    /// - returns: a descriptor that the caller closes
    public func openIdentity() throws(ArchiveError) -> Int32 {
        try ArchiveError.from { try volumes.staging.openIdentity().release() }
    }

    /// Opens the blob of an image on the first volume that has it.
    ///
    /// - parameter instance: `instance.id`
    /// - returns: a descriptor that the caller closes
    public func openBlob(of instance: Int64) throws(ArchiveError) -> Int32 {
        try ArchiveError.from {
            guard let copies = try index.read({ try $0.copies(of: instance) }),
                let digest = Digest(bytes: copies.sha256)
            else { throw ArchiveError(.notFound, "There is no image with number \(instance).") }
            var problem = "no volume that is there has a copy"
            for ordinal in copies.volumes {
                guard let volume = volumes[ordinal] else { continue }
                do {
                    guard try volume.blobState(digest, bytes: copies.bytes) == .present else {
                        problem = "\(volume.path)/\(volume.blobPath(digest)) is damaged or missing"
                        continue
                    }
                    return try volume.openBlob(digest).release()
                } catch {
                    problem = "\(error)"
                }
            }
            log.error("The image \(digest.hex) cannot be read: \(problem).")
            throw ArchiveError(.noGoodCopy, "The image \(digest.hex) cannot be read: \(problem).")
        }
    }
}
