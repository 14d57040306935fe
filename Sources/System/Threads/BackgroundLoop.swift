/// A thread that does a piece of work when it is woken or when a time has come, until it is
/// stopped. In between it sleeps: nothing polls.
public final class BackgroundLoop: Sendable {
    /// When the work is to be done next, unless ``wake()`` comes first.
    public enum Next: Sendable {
        case whenWoken
        /// Nanoseconds from now.
        case after(Int64)
    }

    private struct State {
        var isWoken = false
        var isStopping = false
        var thread: WorkerThread?
    }

    private let name: String
    private let clock: any MonotonicClock
    private let state = Monitor(State())

    /// - Parameter name: Of the thread.
    public init(_ name: String, clock: any MonotonicClock) {
        self.name = name
        self.clock = clock
    }

    /// Starts the thread. To be called once.
    ///
    /// - Parameters:
    ///   - first: When the work is done for the first time.
    ///   - work: Returns when it is to be called next; released when the loop has ended.
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    public func start(
        first: Next = .after(0), _ work: @escaping @Sendable () -> Next
    ) throws(Errno) {
        clock.onAdvance { [weak self] in self?.state.withLock(waking: .all) { _ in } }
        let thread = try WorkerThread(name) { [self] in
            var next = first
            while sleep(until: next) { next = work() }
        }
        state.withLock { $0.thread = thread }
    }

    /// Has the work done soon, also when it is being done just now.
    public func wake() { state.withLock(waking: .all) { $0.isWoken = true } }

    /// Whether long work should come to an end.
    public var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Whether it was started and is not to end.
    public var isRunning: Bool { state.withLock { $0.thread != nil && !$0.isStopping } }

    /// Lets the loop end after the work under way, without waiting for it.
    public func stop() { state.withLock(waking: .all) { $0.isStopping = true } }

    /// Lets the loop end, and waits until it has. Not to be called by its own work.
    public func stopAndWait() {
        stop()
        state.withLock { $0.thread }?.join()
    }

    /// - Returns: False when the loop is to end.
    private func sleep(until next: Next) -> Bool {
        let due: Int64 =
            switch next {
            case .whenWoken: .max
            case .after(let pause): clock.now > .max - pause ? .max : clock.now + pause
            }
        let isGoingOn = state.wait(until: clock.passesByItself ? due : .max) { state -> Bool? in
            if state.isStopping { return false }
            guard state.isWoken || clock.now >= due else { return nil }
            state.isWoken = false
            return true
        }
        return isGoingOn ?? true
    }
}
