import Logging
import System

/// Tells those who gave files to the archive what became of them, from a thread of its own.
///
///     Committer ─► put ─► thread "answer" ─► ViewObserver.published   the kernel drops what it
///                                        │                            has listed
///                                        └─► Answer.completion        FLUSH or RENAME is answered
///
/// So a program that learns that its file is safe finds it listed. The completions of `/incoming`
/// are in IncomingTree+Archiving.
final class Completions: Sendable {
    struct Answer: Sendable {
        /// Where the file comes from, for the log.
        var source: String
        var result: Result<IngestOutcome, ArchiveError>
        var completion: IngestPipeline.Completion
    }

    /// What one step of the pipeline came to.
    private struct Batch: Sendable {
        var changedNodes: Set<Int64>
        var replaced: [Int64]
        var answers: [Answer]
    }

    private let batches = BlockingQueue<Batch>()
    private let observers: Observers
    private let log: Logger
    private let threads = ThreadGroup()
    /// At most this many batches share one notification of the kernel.
    private static let most = 256

    init(observers: Observers, log: Logger) {
        self.observers = observers
        self.log = log
        threads.start("answer") { [self] in
            while true {
                let batches = batches.take(atMost: Self.most)
                if batches.isEmpty { return }
                publish(batches)
                for answer in batches.flatMap(\.answers) { give(answer) }
            }
        }
    }

    /// Takes answers, and gives each of them once.
    ///
    /// - Parameters:
    ///   - changedNodes: Directories with new entries (`node.id`).
    ///   - replaced: Images (`instance.id`) whose blob was bad and is good now.
    func put(changedNodes: Set<Int64> = [], replaced: [Int64] = [], _ answers: [Answer]) {
        let batch = Batch(changedNodes: changedNodes, replaced: replaced, answers: answers)
        if !batches.put(batch) { for answer in answers { give(answer) } }
    }

    private func publish(_ batches: [Batch]) {
        let nodes = batches.reduce(into: Set<Int64>()) { $0.formUnion($1.changedNodes) }
        let replaced = batches.flatMap(\.replaced)
        if !nodes.isEmpty || !replaced.isEmpty { observers.published(nodes, replaced: replaced) }
    }

    private func give(_ answer: Answer) {
        switch answer.result {
        case .failure(let error): log.error("\(error)")
        case .success(.archived(_, let what?)), .success(.sameDataSet(_, let what?)):
            log.notice(
                """
                \(answer.source) is archived as it is, but cut off: \(what). Look for a better \
                copy.
                """
            )
        case .success(.sameDataSet):
            log.info(
                """
                \(answer.source) has the data set of an image that was archived before; only the \
                file header differs. Both are kept.
                """
            )
        case .success: break
        }
        answer.completion(answer.result)
    }

    /// Gives the answers that are there, and ends the thread.
    func stop() {
        batches.close()
        threads.wait(for: "answer")
    }
}
