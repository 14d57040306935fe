import Foundation
import Storage
import System
import TagIndex

/// The way of files into the archive, in three steps, each on threads of its own:
///
///     ingest 1…n   reads, hashes and stages a file                 ``IngestStage``
///     hash 1, 2    the same with large files that are still to be hashed
///     commit       makes all that are ready durable and records    ``Committer``
///                  them, with one round of syncs
///     answer       tells the kernel, then those who wait           ``Completions``
final class IngestPipeline: Sendable {
    typealias Completion = @Sendable (Result<IngestOutcome, ArchiveError>) -> Void

    private struct Job: Sendable {
        var request: IngestRequest
        var completion: Completion
        /// Which of the pools has it.
        var pool: WorkerPool

        func answer(_ result: Result<IngestOutcome, ArchiveError>) -> Completions.Answer {
            Completions.Answer(source: "\(request.source)", result: result, completion: completion)
        }
    }

    private let stage: IngestStage
    private let committer: Committer
    private let completions: Completions
    private let workers: WorkerPool
    /// For files that take long to hash, so that they hold up no others.
    private let hashers: WorkerPool
    private let staged = BlockingQueue<StagedIngest>()
    private let threads = ThreadGroup()
    /// Digests on their way, each with the files of the same bytes that came meanwhile: they
    /// are duplicates of the first, if it succeeds.
    private let inFlight = Lock<[Digest: [Job]]>([:])
    /// At most this many files are made durable together.
    private static let batch = 256
    /// Beyond this size, bytes, a file that is still to be hashed takes long.
    private static let large: Int64 = 64 << 20

    init(
        stage: IngestStage, committer: Committer, completions: Completions, workers: Int,
        clock: any MonotonicClock
    ) {
        self.stage = stage
        self.committer = committer
        self.completions = completions
        self.workers = WorkerPool("ingest", workers: workers, clock: clock)
        hashers = WorkerPool("hash", workers: 2, clock: clock)
        threads.start("commit") { [self] in
            while true {
                let batch = staged.take(atMost: Self.batch)
                if batch.isEmpty { return }
                committer.commit(batch)
                for file in batch { submitWaiting(for: file.staged.digest) }
            }
        }
    }

    /// Takes a file. `completion` is called once, from another thread.
    func submit(_ request: IngestRequest, completion: @escaping Completion) {
        let isLong = request.digest == nil && request.bytes > Self.large
        let job = Job(
            request: request, completion: completion, pool: isLong ? hashers : workers)
        if !job.pool.put({ [self] in prepare(job) }) {
            completions.put([job.answer(.failure(Self.stopped(request)))])
        }
    }

    /// Calls `body` while no file with certain bytes is on its way.
    ///
    /// - Returns: False when one is: nothing was done then.
    func whileIdle(_ digest: Digest, _ body: () throws -> Void) rethrows -> Bool {
        let isIdle = inFlight.withLock { inFlight in
            if inFlight[digest] != nil { return false }
            inFlight[digest] = []
            return true
        }
        guard isIdle else { return false }
        defer { submitWaiting(for: digest) }
        try body()
        return true
    }

    /// Goes on with the files that have the same bytes as one that has had its turn.
    private func submitWaiting(for digest: Digest) {
        let waiting = inFlight.withLock { $0.removeValue(forKey: digest) } ?? []
        for var job in waiting {
            job.request.digest = digest
            job.request.turn = nil
            submit(job.request, completion: job.completion)
        }
    }

    /// Finishes what was submitted, and ends the threads.
    func drain() {
        hashers.drain()
        workers.drain()
        staged.close()
        threads.wait(for: "commit")
        completions.stop()
    }

    // MARK: On the threads of the pools

    // A thread that is lost to a disk which does not answer has been replaced when it comes back,
    // and the file is with another then.

    private func prepare(_ job: Job) -> WorkerPool.Fate {
        if let reason = job.request.refusal {
            answer(job, Result { try stage.refuse(job.request, reason) })
            return .goesOn
        }
        let examination: Examination
        do {
            if let digest = job.request.digest {
                examination = .worthStaging(digest, nil)
            } else {
                let found = try attempt(
                    otherwise: { [self] in
                        job.pool.replaceThread()
                        answer(job, .failure(notAnswering("a file in incoming")))
                    }
                ) { try examine(job.request) }
                guard let found else { return .ends }
                examination = found
            }
        } catch {
            answer(job, .failure(error))
            return .goesOn
        }
        switch examination {
        case .noImage(let outcome):
            answer(job, .success(outcome))
            return .goesOn
        case .worthStaging(let digest, let look):
            let isFirst = inFlight.withLock { inFlight in
                if inFlight[digest] != nil {
                    inFlight[digest]?.append(job)
                    return false
                }
                inFlight[digest] = []
                return true
            }
            if isFirst { return stage(job, digest, look) }
            inTurn(of: job) {}
            return .goesOn
        }
    }

    /// What a file is before anything of it is stored.
    private enum Examination: Sendable {
        /// Its digest, and what its header says if that was read.
        case worthStaging(Digest, IngestStage.Look?)
        /// It is not an image: `refused` or `ignored`.
        case noImage(IngestOutcome)
    }

    /// Looks at a file and hashes it.
    private func examine(_ request: IngestRequest) throws -> Examination {
        // The header first: a file that is no image is not hashed.
        let look = try stage.look(at: request)
        if case .noImage(let outcome) = look { return .noImage(outcome) }
        if let outcome = try stage.refuseHoles(of: request) { return .noImage(outcome) }
        let (bytes, path) = (request.bytes, "\(request.source)")
        let digest = try request.file.reading { file throws(StorageError) in
            try Digest.of(descriptor: file, bytes: bytes, path: path)
        }
        return .worthStaging(digest, look)
    }

    /// Stages a file; when the disk of a volume does not answer, on the others.
    ///
    /// - Parameter tries: How many disks have not answered meanwhile.
    private func stage(
        _ job: Job, _ digest: Digest, _ look: IngestStage.Look?, after tries: Int = 0
    ) -> WorkerPool.Fate {
        @Sendable func end(_ result: Result<IngestOutcome, any Error>) {
            answer(job, result)
            submitWaiting(for: digest)
        }
        @Sendable func next() -> WorkerPool.Fate {
            if tries < stage.volumes.members.count {
                return stage(job, digest, look, after: tries + 1)
            }
            end(.failure(notAnswering("\(job.request.source)")))
            return .goesOn
        }
        do {
            let outcome = try attempt(otherwise: { job.pool.replaceThread(giving: next) }) {
                try stage.prepare(
                    job.request, digest: digest, known: look, completion: job.completion)
            }
            switch outcome {
            case nil: return .ends
            case .noImage(let outcome): end(.success(outcome))
            case .ready(let ready):
                inTurn(of: job) { [self] in
                    if staged.put(ready) { return }
                    completions.put([job.answer(.failure(Self.stopped(job.request)))])
                    submitWaiting(for: digest)
                }
            }
        } catch let error as StorageError where error.code == .notAnswering {
            return next()
        } catch {
            end(.failure(error))
        }
        return .goesOn
    }

    /// Calls `body`, as ``DiskPatience/attempt(otherwise:_:)``, when anybody is patient.
    private func attempt<R>(
        otherwise takeOver: @escaping @Sendable () -> Void, _ body: () throws -> R
    ) throws -> R? {
        guard let patience = stage.volumes.patience else { return try body() }
        return try patience.attempt(otherwise: takeOver, body)
    }

    /// Has `action` called when the turn of a file has come, see ``IngestSequence``.
    private func inTurn(of job: Job, _ action: @escaping @Sendable () -> Void) {
        guard let turn = job.request.turn else { return action() }
        turn.sequence.take(turn.number, action)
    }

    private func answer(_ job: Job, _ result: Result<IngestOutcome, any Error>) {
        inTurn(of: job) {}
        completions.put([job.answer(result.mapError { Self.error($0, job.request) })])
    }

    private func notAnswering(_ path: String) -> StorageError {
        .notAnswering(path, after: stage.volumes.patience?.limit ?? 0)
    }

    private static func stopped(_ request: IngestRequest) -> ArchiveError {
        ArchiveError(.shuttingDown, "pacsfs is being stopped; \(request.source) was not archived.")
    }

    private static func error(_ error: any Error, _ request: IngestRequest) -> ArchiveError {
        ArchiveError(error).prefixed("\(request.source) was not archived.")
    }
}
