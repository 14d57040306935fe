import Glibc
import Storage
import Synchronization
import System

/// Zip archives that wait to be unpacked, and the threads that do it: they wait for the threads
/// that archive, and so cannot be the same. Which is the next, ``ZipTurns`` decides.
final class ZipQueue: Sendable {
    private struct Job: ZipJob {
        var user: UInt32 { request.user }
        var bytes: Int64 { request.bytes }

        var request: IngestRequest
        var intake: Intake
        var unpacking: Unpacking
        var each: @Sendable (ImportResult) -> Void
        var completion: @Sendable (Result<IngestOutcome, ArchiveError>) -> Void
    }

    private let turns = Monitor(ZipTurns<Job>(lanes: lanes))
    private let threads = ThreadGroup()
    private let hasThreads = Lock(false)
    private let isStopping = Atomic(false)
    private let unfinished = Lock<[Unpacking]>([])

    /// How many zip archives are unpacked at once.
    private static let lanes = 6

    /// The zip archives that are being unpacked or wait, in the order in which they came.
    var all: [Unpacking] { unfinished.withLock { $0 } }

    /// Takes a zip archive. `completion` is called once, from another thread.
    ///
    /// - Parameters:
    ///   - intake: Takes the members.
    ///   - each: Called with the outcome of each member, one at a time.
    func submit(
        _ request: IngestRequest, to intake: Intake,
        each: @escaping @Sendable (ImportResult) -> Void = { _ in },
        completion: @escaping @Sendable (Result<IngestOutcome, ArchiveError>) -> Void
    ) {
        hasThreads.withLock { hasThreads in
            if hasThreads { return }
            hasThreads = true
            for number in 0..<Self.lanes {
                threads.start("unzip \(number)") { [self] in
                    while let job = turns.wait(for: { $0.next() }) {
                        unpack(job)
                        turns.withLock(waking: .all) { $0.end(job) }
                    }
                }
            }
        }
        let unpacking =
            request.unpacking ?? Unpacking(source: "\(request.source)", clock: intake.core.clock)
        unfinished.withLock { $0.append(unpacking) }
        let job = Job(
            request: request, intake: intake, unpacking: unpacking, each: each
        ) { [self] result in
            unfinished.withLock { all in all.removeAll { $0 === unpacking } }
            completion(result)
        }
        let isQueued = turns.withLock(waking: .all) { $0.add(job) }
        if !isQueued { job.completion(.failure(Self.stopped(request))) }
    }

    /// Interrupts the unpacking, and ends the threads.
    func stop() {
        isStopping.store(true, ordering: .relaxed)
        turns.withLock(waking: .all) { $0.close() }
        threads.wait(for: "unzip")
    }

    private static func stopped(_ request: IngestRequest) -> ArchiveError {
        ArchiveError(.shuttingDown, "pacsfs is being stopped; \(request.source) was not unpacked.")
    }

    private func unpack(_ job: Job) {
        let log = job.intake.log
        let ingest = ZipIngest(
            archive: job.intake, request: job.request, unpacking: job.unpacking,
            each: job.each,
            isStopping: { [self] in isStopping.load(ordering: .relaxed) })
        do {
            let images = try ingest.run()
            log.notice("Unpacked \(job.request.source): \(images) images.")
            job.completion(.success(.unpacked(images: images)))
        } catch let error as ZipError {
            job.completion(refused(job.request, error.reason))
        } catch {
            var failure = ArchiveError(error)
            if !failure.message.hasPrefix("\(job.request.source)") {
                failure = failure.prefixed("\(job.request.source) was not unpacked.")
            }
            log.error("\(failure)")
            job.completion(.failure(failure))
        }
    }

    /// The file stays in `/incoming` until it is rejected, and must be on disk when `close`
    /// returns.
    private func refused(_ request: IngestRequest, _ reason: String) -> Result<
        IngestOutcome, ArchiveError
    > {
        do {
            try request.staging?.volume.makeIncomingDurable(request.file.descriptor)
            return .success(.refused(reason))
        } catch {
            return .failure(ArchiveError(error))
        }
    }
}
