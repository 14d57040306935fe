import System

/// A clock that moves only when a test moves it.
///
/// It begins at the machine's time of day, because what it is compared with has times that the
/// file system gave.
public final class ManualClock: MonotonicClock {
    private struct State {
        var now: Int64 = 1_000_000_000_000
        var utc = SystemClock().utc
        var reads = 0
        var actions: [@Sendable () -> Void] = []
    }

    private let state = Lock(State())

    public init() {}

    public var now: Int64 {
        state.withLock { state in
            state.reads += 1
            return state.now
        }
    }
    public var utc: Int64 { state.withLock { $0.utc } }
    public var passesByItself: Bool { false }

    /// How often ``now`` was asked for: from it a test learns that a loop has looked again.
    public var reads: Int { state.withLock { $0.reads } }

    public func onAdvance(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.actions.append(action) }
    }

    /// Lets time pass, in seconds; whoever waited for a moment up to then goes on.
    public func advance(by seconds: Double) {
        let actions = state.withLock { state in
            state.now += Int64(seconds * 1e9)
            state.utc += Int64(seconds * 1e9)
            return state.actions
        }
        for action in actions { action() }
    }
}
