import System

/// Lets one scrub read at a time. One that somebody asked for goes before the scheduled one.
final class ScrubTurn: Sendable {
    private struct State {
        var isTaken = false
        /// Scrubs that somebody asked for, those that wait and the one that reads.
        var asked = 0
        var isClosed = false
    }

    private let state = Monitor(State())

    /// Whether the archive is being closed: all reading stops.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// Ends the scrubs that are under way and waits for them.
    func close() {
        state.withLock(waking: .all) { $0.isClosed = true }
        state.wait { $0.isTaken ? nil : () }
    }

    /// Whether a scrub that somebody asked for waits or reads.
    var isAskedFor: Bool { state.withLock { $0.asked > 0 } }

    /// Waits until nobody else reads.
    func asked<R>(_ body: () throws -> R) rethrows -> R {
        state.withLock { $0.asked += 1 }
        state.wait { state -> Void? in
            if state.isTaken { return nil }
            state.isTaken = true
            return ()
        }
        defer {
            state.withLock(waking: .all) {
                $0.isTaken = false
                $0.asked -= 1
            }
        }
        return try body()
    }

    /// - Returns: `nil` when somebody else reads or waits.
    func unasked<R>(_ body: () throws -> R) rethrows -> R? {
        let isOurs = state.withLock { state in
            if state.isTaken || state.asked > 0 || state.isClosed { return false }
            state.isTaken = true
            return true
        }
        guard isOurs else { return nil }
        defer { state.withLock(waking: .all) { $0.isTaken = false } }
        return try body()
    }
}
