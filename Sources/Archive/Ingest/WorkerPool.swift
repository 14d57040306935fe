import System

/// Threads that do jobs, in the order in which they come.
///
/// A job that hangs in a call to a disk that does not answer costs a thread. So that it does not
/// cost the others their turn, another thread is started whenever jobs have waited for a while and
/// no thread has become free. Such a spare thread ends when nothing waits any more.
final class WorkerPool<Job: Sendable>: Sendable {
    private struct State {
        var jobs: ArraySlice<Job> = []
        /// All threads, spare ones included.
        var threads: Int
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
    private let threads = ThreadGroup()
    private let spares = Lock<[WorkerThread]>([])
    private let supervisor: BackgroundLoop

    /// Without progress for so long, a spare thread is started; ns.
    static var patience: Int64 { 5_000_000_000 }
    /// Never more threads than this.
    private static var most: Int { 64 }

    /// - Parameters:
    ///   - name: Of the threads, one word.
    ///   - workers: The number of threads that are always there.
    init(_ name: String, workers: Int, clock: any MonotonicClock) {
        (self.name, self.workers, self.clock) = (name, workers, clock)
        state = Monitor(State(threads: workers, lastProgress: clock.now))
        supervisor = BackgroundLoop("\(name) spares", clock: clock)
    }

    /// Starts the threads. To be called once.
    ///
    /// - Parameter work: Does a job; called from several threads at once.
    func start(_ work: @escaping @Sendable (Job) -> Void) {
        for number in 1...workers {
            threads.start("\(name) \(number)") { [self] in run(work, isSpare: false) }
        }
        // Without this thread there are no spare ones.
        try? supervisor.start(first: .whenWoken) { [self] in addSpare(work) }
    }

    /// Takes a job.
    ///
    /// - Returns: False when the pool is closed; the job was not taken then.
    func put(_ job: Job) -> Bool {
        let isAlone = state.withLock(waking: .one) { state -> Bool? in
            guard !state.isClosed else { return nil }
            state.jobs.append(job)
            return state.jobs.count > state.idle
        }
        if isAlone == true { supervisor.wake() }
        return isAlone != nil
    }

    /// Does the jobs that were put, and ends the threads.
    func drain() {
        state.withLock(waking: .all) { $0.isClosed = true }
        threads.wait(for: name)
        supervisor.stopAndWait()
        for spare in spares.withLock({ $0 }) { spare.join() }
    }

    private func run(_ work: (Job) -> Void, isSpare: Bool) {
        while let job = take(isSpare: isSpare) { work(job) }
    }

    /// - Returns: `nil` when the thread is to end.
    private func take(isSpare: Bool) -> Job? {
        state.withLock { $0.idle += 1 }
        return state.wait { [clock] state -> Job?? in
            if let job = state.jobs.popFirst() {
                state.idle -= 1
                state.lastProgress = clock.now
                return .some(job)
            }
            guard state.isClosed || isSpare else { return nil }
            state.idle -= 1
            state.threads -= 1
            return .some(nil)
        }
    }

    private func addSpare(_ work: @escaping @Sendable (Job) -> Void) -> BackgroundLoop.Next {
        let (isNeeded, next) = state.withLock { state -> (Bool, BackgroundLoop.Next) in
            guard !state.jobs.isEmpty else { return (false, .whenWoken) }
            let left = state.lastProgress + Self.patience - clock.now
            guard left <= 0 else { return (false, .after(left)) }
            state.lastProgress = clock.now
            guard state.threads < Self.most else { return (false, .after(Self.patience)) }
            state.threads += 1
            return (true, .after(Self.patience))
        }
        guard isNeeded else { return next }
        let thread = try? WorkerThread("\(name) spare") { [self] in run(work, isSpare: true) }
        if let thread {
            spares.withLock { $0.append(thread) }
        } else {
            // No room for a thread now.
            state.withLock { $0.threads -= 1 }
        }
        return next
    }
}
