import System

/// The exchange between the thread that lists folders and those that read files: files to be read
/// in one direction, findings in the other.
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
        /// For each outer folder, the number of its files that have not been read.
        var unread: [UInt8: Int] = [:]
        var events: [Event] = []
        var isEnding = false
        /// Threads that have not ended.
        var running = 0
        /// Whether a thread is in a call on the disk that nobody waits for any more.
        var isLost = false
    }

    private let state = Monitor(State())
    private let threadCount: Int

    /// Starts the threads. The caller also calls ``end()``.
    init(
        _ source: BlobSource, _ options: BlobScan.Options,
        shouldStop: @escaping @Sendable () -> Bool
    ) {
        threadCount = max(1, options.threads)
        let stops: @Sendable () -> Bool = { [self] in
            state.withLock { $0.isEnding } || shouldStop()
        }
        let scan: @Sendable () -> Void = { [self] in
            let reader = BlobReader(source, options.pace, shouldStop: stops)
            IdlePriority.during(options.isIdle) {
                while let task = take() {
                    guard let finding = reader.read(task.item) else { break }
                    finish(task, finding)
                }
            }
        }
        for number in 1...threadCount {
            state.withLock { $0.running += 1 }
            let thread = try? WorkerThread("scan \(number)") { [self] in
                run(scan, on: source)
            }
            // No room for a thread: the others read.
            if thread == nil { ended(isLost: threadCount == 1) }
        }
    }

    private func run(_ scan: @escaping @Sendable () -> Void, on source: BlobSource) {
        guard let disk = source.disk else {
            scan()
            return ended()
        }
        let work = DiskWork(disk.patience) { [self] in ended(isLost: true) }
        work.perform {
            try? disk.call(otherwise: { StorageError.notAnswering(source.path, after: 0) }) {
                () throws(StorageError) in scan()
            }
        }
        if !work.isAbandoned { ended() }
    }

    /// A thread has stopped reading: whoever waits for events looks again.
    private func ended(isLost: Bool = false) {
        state.withLock(waking: .all) { state in
            state.running -= 1
            if isLost { (state.isLost, state.isEnding) = (true, true) }
        }
    }

    /// Whether the disk does not answer.
    var isLost: Bool { state.withLock { $0.isLost } }

    /// Whether the threads will run out of files soon.
    var wantsMore: Bool { state.withLock { $0.waiting.count < threadCount * 16 } }

    /// Gives the threads the files of an outer folder, at least one.
    func add(_ folder: UInt8, _ items: [BlobSource.Item]) {
        state.withLock(waking: .all) { state in
            state.unread[folder] = items.count
            state.waiting.append(contentsOf: items.map { Task(folder: folder, item: $0) })
        }
    }

    /// Waits for events since the last call.
    ///
    /// - Returns: Nothing when there is nothing to wait for, or reading was stopped.
    func events(unless shouldStop: () -> Bool) -> [Event] {
        state.wait { state in
            guard
                !state.events.isEmpty || state.unread.isEmpty || state.isLost || shouldStop()
            else { return nil }
            defer { state.events.removeAll(keepingCapacity: true) }
            return state.events
        }
    }

    /// Ends the threads and waits for them.
    func end() {
        state.withLock(waking: .all) { $0.isEnding = true }
        state.wait { $0.running == 0 ? () : nil }
    }

    /// - Returns: `nil` at the end.
    private func take() -> Task? {
        state.wait { state -> Task?? in
            if state.isEnding { return .some(nil) }
            return state.waiting.popFirst().map { .some($0) }
        }
    }

    private func finish(_ task: Task, _ finding: BlobFinding) {
        state.withLock(waking: .all) { state in
            state.events.append(.finding(finding))
            let left = (state.unread[task.folder] ?? 1) - 1
            state.unread[task.folder] = left == 0 ? nil : left
            if left == 0 { state.events.append(.completed(task.folder)) }
        }
    }
}
