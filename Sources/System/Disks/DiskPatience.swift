import Synchronization

// A system call on a disk that does not answer cannot be given up: its thread stays in the kernel
// until the disk answers. What can be given up is waiting for that thread. So everything that
// touches a disk is part of a ``DiskWork``, a piece of work that somebody else can take over, and
// notes when it begins a call on a disk (``DiskCalls/call(reading:otherwise:_:)``). One thread
// looks whether a call lasts too long. Then the disk counts as one that does not answer:
//
//   - nothing more is begun on it, also when it answers later;
//   - works that are in a call on it are abandoned: those who wait for them go on;
//   - threads that come back find their disk given up, and end what they do with an error.
//
// So at most as many threads are lost as were in calls on the disk when it was given up, and
// ``DiskCalls/isBusy`` says when the last of them has come back.

/// How long anybody waits for a disk, and the thread that watches over it.
public final class DiskPatience: Sendable {
    /// How long one system call on a disk may take, ns.
    public let limit: Int64
    private let clock: any MonotonicClock
    private let loop: BackgroundLoop
    private let works = Lock<[ObjectIdentifier: DiskWork]>([:])
    private let lastLook: Lock<Int64>
    /// Disks that were given up at the last look: a thread that was just beginning a call then is
    /// seen at the next.
    private let justGivenUp = Lock<[DiskCalls]>([])
    /// Time that passed under our eyes, ns: while the machine or this process stood still, no disk
    /// could answer.
    private let watched = Atomic<Int64>(0)
    private let threads = DiskThreads()

    /// Between two looks, ns.
    private var pause: Int64 { min(max(limit / 8, 10_000_000), 500_000_000) }

    /// - Parameter limit: How long one system call may take, ns.
    public init(limit: Int64, clock: any MonotonicClock = SystemClock()) {
        self.limit = limit
        self.clock = clock
        loop = BackgroundLoop("patience", clock: clock)
        lastLook = Lock(clock.now)
    }

    deinit { loop.stop() }

    /// Begins to watch. To be called once.
    ///
    /// - Throws: `EAGAIN` when the system has no room for another thread.
    public func start() throws(Errno) {
        let pause = pause
        try loop.start(first: .after(pause)) { [weak self] in
            self?.look()
            return .after(pause)
        }
    }

    /// The time by which calls are measured, ns.
    var now: Int64 { watched.load(ordering: .relaxed) }

    func add(_ work: DiskWork) { works.withLock { $0[ObjectIdentifier(work)] = work } }

    func remove(_ work: DiskWork) { works.withLock { _ = $0.removeValue(forKey: .init(work)) } }

    /// Looks at all calls under way.
    func look() {
        let now = clock.now
        let passed = lastLook.withLock { last in
            defer { last = now }
            return min(max(now - last, 0), 2 * pause)
        }
        let time = watched.wrappingAdd(passed, ordering: .relaxed).newValue
        let works = works.withLock { Array($0.values) }
        let calls = works.compactMap { $0.call }
        var new: [DiskCalls] = []
        for call in calls where time - call.since >= limit {
            let disk = culprit(of: call, among: calls, at: time)
            if disk.giveUp() { new.append(disk) }
        }
        for work in works { work.abandonIfHopeless(at: time, limit) }
        let seen = justGivenUp.withLock { disks in
            defer { disks = new }
            return disks
        }
        for disk in seen { disk.workReturned() }
    }

    /// Of a call that reads one disk and writes to another: the one that keeps others waiting too.
    private func culprit(
        of call: DiskWork.Call, among calls: [DiskWork.Call], at time: Int64
    ) -> DiskCalls {
        guard let source = call.source, source !== call.disk else { return call.disk }
        func keepsWaiting(_ disk: DiskCalls) -> Bool {
            disk.hasGivenUp
                || calls.contains {
                    $0.disk === disk && $0.source == nil && time - $0.since >= limit / 4
                }
        }
        return keepsWaiting(source) && !keepsWaiting(call.disk) ? source : call.disk
    }

    // MARK: Threads

    /// Runs `body` on a thread that may be lost.
    ///
    /// - Parameter failure: The error when a disk that it uses is given up meanwhile.
    public func begin<R: Sendable, Failure: Error>(
        otherwise failure: @escaping @Sendable () -> Failure,
        _ body: @escaping @Sendable () throws(Failure) -> R
    ) -> PendingCall<R, Failure> {
        let pending = PendingCall<R, Failure>()
        let work = DiskWork(self) { pending.end(.failure(failure())) }
        let job = Job(body)
        threads.run { pending.end(work.perform { job.result() }) }
        return pending
    }

    /// Lets go of what it has called before its result is known.
    private final class Job<R: Sendable, Failure: Error>: Sendable {
        private let body: Lock<(@Sendable () throws(Failure) -> R)?>

        init(_ body: @escaping @Sendable () throws(Failure) -> R) { self.body = Lock(body) }

        /// To be called once.
        func result() -> Result<R, Failure> {
            guard let body = body.withLock({ $0.take() }) else { fatalError("called twice") }
            do throws(Failure) { return .success(try body()) } catch { return .failure(error) }
        }
    }

    /// The same, and waits for its end.
    ///
    /// - Throws: What `body` throws, and `failure`.
    public func run<R: Sendable, Failure: Error>(
        otherwise failure: @escaping @Sendable () -> Failure,
        _ body: @escaping @Sendable () throws(Failure) -> R
    ) throws(Failure) -> R {
        try begin(otherwise: failure, body).wait()
    }

    /// Runs `body` on this thread, which may be lost.
    ///
    /// - Parameter takeOver: Called when a disk that `body` uses is given up: by the thread that
    ///   watches, which must not wait for anything.
    /// - Returns: `nil` when that was called: the result concerns nobody any more.
    /// - Throws: What `body` throws.
    public func attempt<R, Failure: Error>(
        otherwise takeOver: @escaping @Sendable () -> Void, _ body: () throws(Failure) -> R
    ) throws(Failure) -> R? {
        let work = DiskWork(self, onAbandon: takeOver)
        do throws(Failure) {
            let result = try work.perform(body)
            return work.isAbandoned ? nil : result
        } catch {
            if work.isAbandoned { return nil }
            throw error
        }
    }

    /// The same as ``run(otherwise:_:)`` for something that cannot fail: this returns also when a
    /// disk that it uses is given up.
    public func run(_ body: @escaping @Sendable () -> Void) {
        struct GivenUp: Error {}
        try? run(otherwise: { GivenUp() }) { () throws(GivenUp) in body() }
    }

    /// Runs `body` on a thread that may be lost, and waits for nothing.
    public func start(_ body: @escaping @Sendable () -> Void) {
        let work = DiskWork(self) {}
        threads.run { work.perform(body) }
    }
}

/// The end of something that another thread does.
public final class PendingCall<R: Sendable, Failure: Error>: Sendable {
    private let result = Monitor<Result<R, Failure>?>(nil)

    fileprivate init() {}

    /// The first end counts.
    fileprivate func end(_ end: Result<R, Failure>) {
        result.withLock(waking: .all) { if $0 == nil { $0 = end } }
    }

    /// Waits for it.
    ///
    /// - Throws: What it has ended with.
    public func wait() throws(Failure) -> R { try result.wait { $0 }.get() }

    /// Waits until a moment at most.
    ///
    /// - Parameter deadline: Nanoseconds of `CLOCK_MONOTONIC`.
    /// - Returns: `nil` when the moment came first.
    public func wait(until deadline: Int64) -> Result<R, Failure>? {
        result.wait(until: deadline) { $0 }
    }
}

/// Threads that wait for something to do, as many as are needed at once.
private final class DiskThreads: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []

        mutating func takeFirst() -> (@Sendable () -> Void)? {
            waiting.isEmpty ? nil : waiting.removeFirst()
        }
        var idle = 0
    }

    private let state = Monitor(State())
    /// How long a thread without work stays, ns.
    private static let stay: Int64 = 10_000_000_000

    /// Has `body` run at once.
    func run(_ body: @escaping @Sendable () -> Void) {
        let isTaken = state.withLock(waking: .one) { state in
            state.waiting.append(body)
            return state.waiting.count <= state.idle
        }
        if isTaken { return }
        // It keeps nothing of what it has done.
        let thread = try? WorkerThread("disk") { [self] in while runNext() {} }
        // No room for a thread: better than nothing.
        if thread == nil { state.withLock { $0.waiting.popLast() }?() }
    }

    private func runNext() -> Bool {
        guard let next = next() else { return false }
        next()
        return true
    }

    private func next() -> (@Sendable () -> Void)? {
        state.withLock { $0.idle += 1 }
        let next = state.wait(until: SystemClock().now + Self.stay) { state in
            state.takeFirst()
        }
        state.withLock { $0.idle -= 1 }
        // One may have come between the two.
        return next ?? state.withLock { $0.waiting.count > $0.idle ? $0.takeFirst() : nil }
    }
}
