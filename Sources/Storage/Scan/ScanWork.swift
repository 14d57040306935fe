import Dispatch
import System

/// The exchange between the thread that lists folders and those that read files: files to read one
/// way, findings the other.
final class ScanWork: Sendable {
    enum Event {
        case finding(BlobFinding)
        /// All files of this outer folder have been read; their findings came before.
        case completed(UInt8)
    }

    private struct Task {
        var folder: UInt8
        var item: BlobSource.Item
    }

    private struct State {
        var waiting: ArraySlice<Task> = []
        /// For each outer folder, how many of its files have not been read.
        var unread: [UInt8: Int] = [:]
        var events: [Event] = []
        var isEnding = false
    }

    private let state = Lock(State())
    /// Counts files that wait; at the end it lets all threads go.
    private let toDo = DispatchSemaphore(value: 0)
    /// Says that there are events, or that a thread has stopped.
    private let news = DispatchSemaphore(value: 0)
    private let threads: Int
    private let running = DispatchGroup()

    /// Starts the threads. The caller must call ``end()``.
    init(
        _ source: BlobSource, _ options: BlobScan.Options,
        shouldStop: @escaping @Sendable () -> Bool
    ) {
        threads = max(1, options.threads)
        for number in 1...threads {
            // A serial queue has a thread of its own for as long as its one block runs.
            DispatchQueue(label: "scan \(number)").async(group: running) { [self] in
                let stops: @Sendable () -> Bool = { [self] in
                    state.withLock { $0.isEnding } || shouldStop()
                }
                let reader = BlobReader(source, options.pace, shouldStop: stops)
                IdlePriority.during(options.isIdle) {
                    while let task = take() {
                        guard let finding = reader.read(task.item) else { break }
                        finish(task, finding)
                    }
                }
                news.signal()
            }
        }
    }

    /// Whether the threads would have nothing to do soon.
    var wantsMore: Bool { state.withLock { $0.waiting.count < threads * 16 } }

    /// Gives the threads the files of an outer folder, at least one.
    func add(_ folder: UInt8, _ items: [BlobSource.Item]) {
        state.withLock { state in
            state.unread[folder] = items.count
            state.waiting.append(contentsOf: items.map { Task(folder: folder, item: $0) })
        }
        for _ in items { toDo.signal() }
    }

    /// The events since the last call; waits for one. Empty when there is nothing left to wait for,
    /// or the threads have stopped.
    func events(unless shouldStop: () -> Bool) -> [Event] {
        while true {
            let (events, isIdle) = state.withLock { state in
                defer { state.events.removeAll(keepingCapacity: true) }
                return (state.events, state.unread.isEmpty)
            }
            if !events.isEmpty || isIdle || shouldStop() { return events }
            news.wait()
        }
    }

    /// Ends the threads and waits for them.
    func end() {
        state.withLock { $0.isEnding = true }
        for _ in 0..<threads { toDo.signal() }
        running.wait()
    }

    private func take() -> Task? {
        toDo.wait()
        return state.withLock { $0.isEnding ? nil : $0.waiting.popFirst() }
    }

    private func finish(_ task: Task, _ finding: BlobFinding) {
        let isFirst = state.withLock { state in
            let isFirst = state.events.isEmpty
            state.events.append(.finding(finding))
            let left = (state.unread[task.folder] ?? 1) - 1
            state.unread[task.folder] = left == 0 ? nil : left
            if left == 0 { state.events.append(.completed(task.folder)) }
            return isFirst
        }
        if isFirst { news.signal() }
    }
}
