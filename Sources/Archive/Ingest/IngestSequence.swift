import System

/// Lets files that several threads prepare go on in the order in which they were given, so that an
/// import gives the same names each time: the first of two files with the same number has the
/// plain name.
public final class IngestSequence: Sendable {
    private struct State {
        /// The number whose turn it is.
        var next = 0
        /// The actions of files that are ahead of their turn.
        var waiting: [Int: @Sendable () -> Void] = [:]
        /// Whether a thread is calling an action; it comes to those that are due after it.
        var isRunning = false

        /// The action that is due, if no thread is calling one.
        mutating func begin() -> (@Sendable () -> Void)? {
            guard !isRunning, let action = waiting.removeValue(forKey: next) else { return nil }
            isRunning = true
            return action
        }

        mutating func end() {
            next += 1
            isRunning = false
        }
    }

    private let state = Lock(State())

    public init() {}

    /// Has `action` called when all with a lower number have had their turn. Actions are called
    /// one after the other, by this thread or another, with no lock held.
    func take(_ turn: Int, _ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.waiting[turn] = action }
        while let due = state.withLock({ $0.begin() }) {
            due()
            state.withLock { $0.end() }
        }
    }
}
