import System

/// Lets files that several threads prepare go on in the order in which they were given, so
/// that an import gives the same names each time: the first of two with the same number has
/// the plain one.
public final class IngestSequence: Sendable {
    private struct State {
        var next = 0
        /// The actions of those that are ahead of their turn.
        var waiting: [Int: @Sendable () -> Void] = [:]
    }

    private let state = Lock(State())

    public init() {}

    /// Calls `action` when all with a lower number have had their turn.
    func take(_ turn: Int, _ action: @escaping @Sendable () -> Void) {
        state.withLock { state in
            state.waiting[turn] = action
            // Inside the lock, or two threads could overtake each other; actions only put
            // something into a mailbox.
            while let action = state.waiting.removeValue(forKey: state.next) {
                action()
                state.next += 1
            }
        }
    }
}
