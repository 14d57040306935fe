/// The calls on one disk, until it is given up; see ``DiskPatience``.
public final class DiskCalls: Sendable {
    private struct State {
        var hasGivenUp = false
        /// Works that were abandoned and have not come back.
        var lost = 0
        var onGivingUp: (@Sendable () -> Void)?
    }

    public let patience: DiskPatience
    /// `major:minor` of what is mounted there, as in ``MountedFileSystem/device``; `nil` when it
    /// is not known.
    public let device: String?
    private let state = Lock(State())

    /// - Parameter path: Of a folder on it.
    public init(_ patience: DiskPatience, holding path: String? = nil) {
        self.patience = patience
        device = path.flatMap { MountedFileSystem.holding($0) }?.device
    }

    /// Whether it did not answer once. Nothing is begun on it any more.
    public var hasGivenUp: Bool { state.withLock { $0.hasGivenUp } }

    /// Whether threads are still in calls on it that nobody waits for any more.
    public var isBusy: Bool { state.withLock { $0.lost > 0 } }

    /// Has `action` called when it is given up, before those who wait for it go on; by the thread
    /// that watches, which must not wait for anything.
    public func onGivingUp(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.onGivingUp = action }
    }

    /// - Returns: False when it was given up before. Otherwise it is busy until
    ///   ``workReturned()`` was called once.
    func giveUp() -> Bool {
        let (isNew, action) = state.withLock { state in
            defer {
                if !state.hasGivenUp { state.lost += 1 }
                state.hasGivenUp = true
                state.onGivingUp = nil
            }
            return (!state.hasGivenUp, state.onGivingUp)
        }
        action?()
        return isNew
    }

    func workIsLost() { state.withLock { $0.lost += 1 } }

    func workReturned() { state.withLock { $0.lost -= 1 } }

    /// Calls `body`, which uses this disk, on this thread: others can take over what it does.
    ///
    /// - Returns: False when the disk was given up before; `body` was not called then.
    public func callHere(_ body: () -> Void) -> Bool {
        guard !hasGivenUp else { return false }
        guard let work = DiskWork.current else {
            body()
            return true
        }
        work.during(self, reading: nil, isLastTry: false, body)
        return true
    }

    /// Calls `body`, which uses this disk: on this thread if somebody can take over what it does
    /// (``DiskWork``), else on another.
    ///
    /// - Parameters:
    ///   - source: Another disk that it reads.
    ///   - isLastTry: Whether it may be done although the disk was given up. Not for changes.
    ///   - failure: The error when the disk is given up, now or earlier.
    ///   - body: What it has changed by the time the disk is given up is not reported.
    /// - Throws: What `body` throws, and `failure`.
    public func call<R: Sendable, Failure: Error>(
        reading source: DiskCalls? = nil, isLastTry: Bool = false,
        otherwise failure: @escaping @Sendable () -> Failure,
        _ body: @escaping @Sendable () throws(Failure) -> R
    ) throws(Failure) -> R {
        guard isLastTry || !hasGivenUp else { throw failure() }
        guard let work = DiskWork.current else {
            return try patience.run(otherwise: failure) { [self] () throws(Failure) in
                try call(reading: source, isLastTry: isLastTry, otherwise: failure, body)
            }
        }
        let result = try work.during(self, reading: source, isLastTry: isLastTry, body)
        guard isLastTry || !hasGivenUp else { throw failure() }
        return result
    }
}
