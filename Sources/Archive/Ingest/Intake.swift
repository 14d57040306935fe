import Foundation
import Logging
import Storage
import System
import TagIndex

/// Takes files into the archive: images through the pipeline, zip archives through their queue,
/// and everything else into `/rejected`.
final class Intake: Sendable {
    typealias Completion = @Sendable (Result<IngestOutcome, ArchiveError>) -> Void

    let core: ArchiveCore
    let rejected: RejectedFiles
    private let pipeline: IngestPipeline
    /// Zip archives that wait or are being unpacked.
    let zips = ZipQueue()

    var settings: Settings { core.settings }
    var volumes: VolumeSet { core.volumes }
    var index: TagIndex { core.index }
    var observers: Observers { core.observers }
    var log: Logger { core.log }
    /// Where `/incoming` and `/rejected` are now.
    var staging: StagingArea { StagingArea(volume: core.volumes.staging) }

    init(
        _ core: ArchiveCore, rejected: RejectedFiles, checker: CopyChecker, repairs: CopyRepairs
    ) {
        self.core = core
        self.rejected = rejected
        let settings = core.settings
        let stage = IngestStage(
            volumes: core.volumes, index: core.index,
            copies: (settings.copies, settings.minimumCopies),
            ignoresDirectories: { core.settings.ignoresDirectories },
            requireCatalogueRoom: { try ArchiveDisk.requireRoom(at: core.path) },
            checker: checker)
        let completions = Completions(observers: core.observers, log: core.log)
        let committer = Committer(
            stage: stage, catalogue: core.catalogue, completions: completions,
            repairs: repairs)
        pipeline = IngestPipeline(
            stage: stage, committer: committer, completions: completions,
            workers: Self.workers, clock: core.clock)
    }

    /// More than there are cores, on small machines: a thread that hangs in a call on one file must
    /// leave others to stage the files of everybody else.
    private static var workers: Int {
        max(4, min(8, ProcessInfo.processInfo.activeProcessorCount))
    }

    /// Archives a file: see ``Archive/ingest(_:completion:)``.
    func ingest(_ request: IngestRequest, completion: @escaping Completion) {
        if !request.isExtracted, request.refusal == nil,
            request.isZip ?? ZipReader.isZip(descriptor: request.file.descriptor)
        {
            return zips.submit(request, to: self, completion: completion)
        }
        pipeline.submit(request, completion: completion)
    }

    /// Archives a file and waits until it is safe.
    func ingestAndWait(_ request: IngestRequest) -> Result<IngestOutcome, ArchiveError> {
        let result = Monitor<Result<IngestOutcome, ArchiveError>?>(nil)
        ingest(request) { outcome in result.withLock(waking: .all) { $0 = outcome } }
        return result.wait { $0 }
    }

    /// Calls `body` while no file with certain bytes is on its way: see ``IngestPipeline``.
    func whileIdle(_ digest: Digest, _ body: () throws -> Void) rethrows -> Bool {
        try pipeline.whileIdle(digest, body)
    }

    /// Rejects a file: see ``Archive/reject(_:)``.
    func reject(_ request: RejectRequest) throws { try rejected.reject(request) }

    /// Finishes the files under way. Zip archives stay where they are, to be unpacked by the
    /// next run.
    func drain() {
        zips.stop()
        pipeline.drain()
    }
}
