import System

/// A share of the threads for requests that may have to wait for one thing, such as one disk: a
/// disk that does not answer holds up those of its own share, and nobody else.
///
/// At most `limit` pieces of work run at once, each on the thread that brings it. Further ones wait
/// in order without a thread, and are run by those that come free.
final class Lane: Sendable {
    typealias Work = @Sendable () -> Void

    private struct State {
        var running = 0
        /// The next first; those before `first` have been taken.
        var waiting: [Work?] = []
        var first = 0

        mutating func next() -> Work? {
            guard first < waiting.count else { return nil }
            let work = waiting[first]
            waiting[first] = nil
            first += 1
            if first == waiting.count { (waiting, first) = ([], 0) }
            return work
        }
    }

    private let limit: Int
    private let state = Lock(State())

    /// - Parameter limit: How many threads the lane may take.
    init(limit: Int) { self.limit = limit }

    /// Whether a piece of work would have to wait.
    var isFull: Bool { state.withLock { $0.running >= limit } }

    /// Runs `work` now on this thread, and then what waits; or leaves it to the threads that the
    /// lane has taken.
    func run(_ work: @escaping Work) {
        let isRunning = state.withLock { state in
            guard state.running < limit else {
                state.waiting.append(work)
                return false
            }
            state.running += 1
            return true
        }
        guard isRunning else { return }
        var next = work
        while true {
            next()
            let following = state.withLock { state -> Work? in
                let work = state.next()
                if work == nil { state.running -= 1 }
                return work
            }
            guard let following else { return }
            next = following
        }
    }
}

/// The lanes of the volumes.
final class VolumeLanes: Sendable {
    private let limit: Int
    private let lanes = Lock<[Int: Lane]>([:])

    /// - Parameter limit: How many threads each volume may take.
    init(limit: Int) { self.limit = limit }

    /// - Parameter ordinal: Of a volume.
    subscript(ordinal: Int) -> Lane {
        lanes.withLock { lanes in
            if let lane = lanes[ordinal] { return lane }
            let lane = Lane(limit: limit)
            lanes[ordinal] = lane
            return lane
        }
    }
}
