import System

/// Threads that do jobs, in the order in which they come.
///
/// A job that hangs in a call to a disk that does not answer costs a thread. So that it does not
/// cost the others their turn, another thread takes its place: at once where somebody knows that
/// it is lost (``replaceThread(giving:)``), else when jobs have waited for a while and no thread
/// has become free. When there are more than are wanted, those without a job end.
final class WorkerPool: Sendable {
    typealias Job = @Sendable () -> Fate

    /// What becomes of a thread after a job.
    enum Fate {
        case goesOn
        /// It was replaced meanwhile.
        case ends
    }

    private struct State {
        var jobs: [Job] = []
        /// Those that were not replaced.
        var threads = 0
        /// Those that wait for a job.
        var idle = 0
        /// When a job was taken or a thread was started last, ns of the clock.
        var lastProgress: Int64
        var isClosed = false
    }

    private let name: String
    private let clock: any MonotonicClock
    private let workers: Int
    private let state: Monitor<State>
    private let supervisor: BackgroundLoop

    /// Without progress for so long, a spare thread is started; ns.
    private static var patience: Int64 { 5_000_000_000 }
    /// Never more threads than this.
    private static var most: Int { 64 }

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - name: Of the threads, one word.
    ///   - workers: The number of threads that are always there.
    init(_ name: String, workers: Int, clock: any MonotonicClock) {
        (self.name, self.workers, self.clock) = (name, workers, clock)
        state = Monitor(State(lastProgress: clock.now))
        supervisor = BackgroundLoop("\(name) spares", clock: clock)
        for number in 1...workers where !startThread("\(number)") {
            fatalError("cannot start a thread \"\(name)\"")
        }
        // Without this thread there are no spare ones.
        try? supervisor.start(first: .whenWoken) { [self] in addSpare() }
    }

    /// Takes a job.
    ///
    /// - Returns: False when the pool is closed; the job was not taken then.
    func put(_ job: @escaping Job) -> Bool {
        let isAlone = state.withLock(waking: .one) { state -> Bool? in
            guard !state.isClosed else { return nil }
            state.jobs.append(job)
            return state.jobs.count > state.idle
        }
        if isAlone == true { supervisor.wake() }
        return isAlone != nil
    }

    /// Has another thread take the place of one that is lost in its job, which must end with
    /// ``Fate/ends`` if it returns. Waits for nothing.
    ///
    /// - Parameter job: Done before all that wait.
    func replaceThread(giving job: Job? = nil) {
        let isNeeded = state.withLock(waking: .all) { state in
            state.threads -= 1
            if let job { state.jobs.insert(job, at: 0) }
            return state.threads < workers
        }
        if isNeeded, !startThread("spare") { supervisor.wake() }
    }

    /// Does the jobs that were put, and ends the threads.
    func drain() {
        state.withLock(waking: .all) { $0.isClosed = true }
        state.wait { $0.threads == 0 && $0.jobs.isEmpty ? () : nil }
        supervisor.stopAndWait()
    }

    private func startThread(_ label: String) -> Bool {
        state.withLock { $0.threads += 1 }
        let thread = try? WorkerThread("\(name) \(label)") { [self] in
            while let job = take() { if job() == .ends { return } }
            // drain() waits for the last one.
            state.withLock(waking: .all) { _ in }
        }
        if thread == nil { state.withLock { $0.threads -= 1 } }
        return thread != nil
    }

    /// - Returns: `nil` when the thread is to end.
    private func take() -> Job? {
        state.withLock { $0.idle += 1 }
        return state.wait { state -> Job?? in
            if !state.jobs.isEmpty {
                let job = state.jobs.removeFirst()
                state.idle -= 1
                state.lastProgress = clock.now
                return .some(job)
            }
            guard state.isClosed || state.threads > workers else { return nil }
            state.idle -= 1
            state.threads -= 1
            return .some(nil)
        }
    }

    private func addSpare() -> BackgroundLoop.Next {
        let (isNeeded, next) = state.withLock { state -> (Bool, BackgroundLoop.Next) in
            guard !state.jobs.isEmpty else { return (false, .whenWoken) }
            let left = state.lastProgress + Self.patience - clock.now
            guard left <= 0 else { return (false, .after(left)) }
            state.lastProgress = clock.now
            return (state.threads < Self.most, .after(Self.patience))
        }
        if isNeeded { _ = startThread("spare") }
        return next
    }
}
