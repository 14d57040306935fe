import Foundation
import Storage
import System
import TagIndex

/// The way of files into the archive: several threads hash, read and copy, one commits what
/// they have ready, however many that are, with one round of syncs.
final class IngestPipeline: Sendable {
    typealias Completion = @Sendable (Result<IngestOutcome, ArchiveError>) -> Void

    private struct Job: Sendable {
        var request: IngestRequest
        var completion: Completion
    }

    private let preparation: Preparation
    private let committer: Committer
    private let jobs = BlockingQueue<Job>()
    private let prepared = BlockingQueue<Prepared>()
    private let threads = ThreadGroup()
    /// Digests on their way, each with the files of the same bytes that came meanwhile: they
    /// are duplicates of the first, if it succeeds.
    private let inFlight = Lock<[Digest: [Job]]>([:])
    /// At most this many files are made durable together.
    private static let batch = 256

    init(preparation: Preparation, committer: Committer, workers: Int) {
        self.preparation = preparation
        self.committer = committer
        for number in 1...workers {
            threads.start("ingest \(number)") { [self] in
                while let job = jobs.take(atMost: 1).first { prepare(job) }
            }
        }
        threads.start("commit") { [self] in
            while true {
                let batch = prepared.take(atMost: Self.batch)
                if batch.isEmpty { return }
                committer.commit(batch)
            }
        }
    }

    /// Takes a file. `completion` is called once, from another thread.
    func submit(_ request: IngestRequest, completion: @escaping Completion) {
        guard jobs.put(Job(request: request, completion: completion)) else {
            return completion(.failure(Self.stopped(request)))
        }
    }

    /// Finishes what was submitted, and ends the threads.
    func drain() {
        jobs.close()
        threads.wait(for: "ingest")
        prepared.close()
        threads.wait(for: "commit")
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

    /// - parameter inTurn: called once, with what is to be done when it is this file's turn
    private func prepare(_ job: Job, inTurn: (@escaping @Sendable () -> Void) -> Void) {
        do {
            if let reason = job.request.refusal {
                let outcome = try preparation.refuse(job.request, reason)
                inTurn {}
                return job.completion(.success(outcome))
            }
            let digest =
                try job.request.digest
                ?? Digest.of(
                    descriptor: job.request.file.descriptor, bytes: job.request.bytes,
                    path: "\(job.request.source)")
            let isFirst = inFlight.withLock { inFlight in
                if inFlight[digest] != nil {
                    inFlight[digest]?.append(job)
                    return false
                }
                inFlight[digest] = []
                return true
            }
            guard isFirst else { return inTurn {} }
            let completion: Completion = { [self] result in
                job.completion(result)
                let waiting = inFlight.withLock { $0.removeValue(forKey: digest) } ?? []
                for var job in waiting {
                    job.request.digest = digest
                    job.request.turn = nil
                    submit(job.request, completion: job.completion)
                }
            }
            do {
                switch try preparation.prepare(job.request, digest: digest, completion: completion)
                {
                case .ready(let ready):
                    inTurn { [self] in
                        if !prepared.put(ready) { completion(.failure(Self.stopped(job.request))) }
                    }
                case .noImage(let outcome):
                    inTurn {}
                    completion(.success(outcome))
                }
            } catch {
                inTurn {}
                completion(.failure(Self.error(error, job.request)))
            }
        } catch {
            inTurn {}
            job.completion(.failure(Self.error(error, job.request)))
        }
    }

    private static func stopped(_ request: IngestRequest) -> ArchiveError {
        ArchiveError(.shuttingDown, "pacsfs is being stopped; \(request.source) was not archived.")
    }

    private static func error(_ error: any Error, _ request: IngestRequest) -> ArchiveError {
        ArchiveError(error).prefixed("\(request.source) was not archived.")
    }
}
