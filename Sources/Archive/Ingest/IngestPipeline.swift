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

        func answer(_ result: Result<IngestOutcome, ArchiveError>) -> Completions.Answer {
            Completions.Answer(source: "\(request.source)", result: result, completion: completion)
        }
    }

    private let stage: IngestStage
    private let committer: Committer
    private let completions: Completions
    private let workers: WorkerPool<Job>
    /// For files that take long to hash, so that they hold up no others.
    private let hashers: WorkerPool<Job>
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
        self.workers.start { [self] job in prepare(job) }
        hashers.start { [self] job in prepare(job) }
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
        guard
            (isLong ? hashers : workers).put(Job(request: request, completion: completion))
        else {
            let job = Job(request: request, completion: completion)
            return completions.put([job.answer(.failure(Self.stopped(request)))])
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

    private func prepare(_ job: Job) {
        prepare(job) { action in
            if let turn = job.request.turn {
                turn.sequence.take(turn.number, action)
            } else {
                action()
            }
        }
    }

    /// - Parameter inTurn: Called once, with the action for this file's turn.
    private func prepare(_ job: Job, inTurn: (@escaping @Sendable () -> Void) -> Void) {
        do {
            if let reason = job.request.refusal {
                let outcome = try stage.refuse(job.request, reason)
                inTurn {}
                return completions.put([job.answer(.success(outcome))])
            }
            let (digest, look): (Digest, IngestStage.Look?)
            switch try examined(job.request) {
            case .worthStaging(let found, let known): (digest, look) = (found, known)
            case .noImage(let outcome):
                inTurn {}
                return completions.put([job.answer(.success(outcome))])
            }
            let isFirst = inFlight.withLock { inFlight in
                if inFlight[digest] != nil {
                    inFlight[digest]?.append(job)
                    return false
                }
                inFlight[digest] = []
                return true
            }
            guard isFirst else { return inTurn {} }
            @Sendable func finish(_ result: Result<IngestOutcome, ArchiveError>) {
                completions.put([job.answer(result)])
                submitWaiting(for: digest)
            }
            do {
                switch try prepared(job, digest, known: look) {
                case .ready(let ready):
                    inTurn { [self] in
                        if !staged.put(ready) { finish(.failure(Self.stopped(job.request))) }
                    }
                case .noImage(let outcome):
                    inTurn {}
                    finish(.success(outcome))
                }
            } catch {
                inTurn {}
                finish(.failure(Self.error(error, job.request)))
            }
        } catch {
            inTurn {}
            completions.put([job.answer(.failure(Self.error(error, job.request)))])
        }
    }

    /// What a file is before anything of it is stored.
    private enum Examination: Sendable {
        /// Its digest, and what its header says if that was read.
        case worthStaging(Digest, IngestStage.Look?)
        /// It is not an image: `refused` or `ignored`.
        case noImage(IngestOutcome)
    }

    /// Looks at a file and hashes it, all on one thread that may be lost.
    private func examined(_ request: IngestRequest) throws -> Examination {
        if let digest = request.digest { return .worthStaging(digest, nil) }
        let stage = stage
        @Sendable func examine() throws -> Examination {
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
        guard let disk = request.file.disk else { return try examine() }
        return try disk.patience.run(
            otherwise: { () -> any Error in
                StorageError.notAnswering("a file in incoming", after: disk.patience.limit)
            }, examine)
    }

    /// Has a file staged by a thread that may be lost; when the disk of a volume does not answer,
    /// on the others.
    private func prepared(
        _ job: Job, _ digest: Digest, known look: IngestStage.Look?
    ) throws -> IngestStage.Outcome {
        let stage = stage
        guard let patience = stage.volumes.patience else {
            return try stage.prepare(
                job.request, digest: digest, known: look, completion: job.completion)
        }
        for _ in stage.volumes.members {
            let result = patience.begin(
                otherwise: { () -> any Error in
                    StorageError.notAnswering("\(job.request.source)", after: patience.limit)
                }
            ) {
                try stage.prepare(
                    job.request, digest: digest, known: look, completion: job.completion)
            }
            do { return try result.wait() } catch let error as StorageError {
                guard error.code == .notAnswering else { throw error }
            }
        }
        return try stage.prepare(
            job.request, digest: digest, known: look, completion: job.completion)
    }

    private static func stopped(_ request: IngestRequest) -> ArchiveError {
        ArchiveError(.shuttingDown, "pacsfs is being stopped; \(request.source) was not archived.")
    }

    private static func error(_ error: any Error, _ request: IngestRequest) -> ArchiveError {
        ArchiveError(error).prefixed("\(request.source) was not archived.")
    }
}
