import System

/// A share of the threads for requests that may have to wait for one thing, such as one disk: a
/// disk that does not answer holds up those of its own share, and nobody else.
///
/// At most `limit` pieces of work run at once, each on the thread that brings it. Further ones wait
/// in order without a thread, and are run by those that come free.
///
/// Work in a call on a disk that is given up (``DiskPatience``) gives its place to another.
final class Lane: Sendable {
    typealias Work = @Sendable () -> Void

    private struct Item: Sendable {
        var work: Work
        /// Called instead of the end of `work`, when its disk is given up.
        var isAbandoned: Work
    }

    private struct State {
        var running = 0
        /// The next first; those before `first` have been taken.
        var waiting: [Item?] = []
        var first = 0

        mutating func next() -> Item? {
            guard first < waiting.count else {
                running -= 1
                return nil
            }
            let item = waiting[first]
            waiting[first] = nil
            first += 1
            if first == waiting.count { (waiting, first) = ([], 0) }
            return item
        }
    }

    private let limit: Int
    private let patience: DiskPatience?
    private let state = Lock(State())

    /// - Parameters:
    ///   - limit: How many threads the lane may take.
    ///   - patience: Gives up disks; `nil` when none is given up.
    init(limit: Int, patience: DiskPatience? = nil) {
        self.limit = limit
        self.patience = patience
    }

    /// Whether a piece of work would have to wait.
    var isFull: Bool { state.withLock { $0.running >= limit } }

    /// Runs `work` now on this thread, and then what waits; or leaves it to the threads that the
    /// lane has taken.
    ///
    /// - Parameter isAbandoned: Called when a disk that `work` uses was given up; whatever `work`
    ///   still does counts for nothing. It waits for nothing.
    func run(isAbandoned: @escaping Work = {}, _ work: @escaping Work) {
        let item = Item(work: work, isAbandoned: isAbandoned)
        let isRunning = state.withLock { state in
            guard state.running < limit else {
                state.waiting.append(item)
                return false
            }
            state.running += 1
            return true
        }
        if isRunning { perform(item) }
    }

    private func perform(_ first: Item) {
        var next = first
        while true {
            guard let patience else {
                next.work()
                guard let following = state.withLock({ $0.next() }) else { return }
                next = following
                continue
            }
            let item = next
            let work = DiskWork(patience) { [self] in
                passOn()
                item.isAbandoned()
            }
            work.perform { item.work() }
            guard !work.isAbandoned, let following = state.withLock({ $0.next() }) else { return }
            next = following
        }
    }

    /// Another thread takes the place of one that does not come back.
    private func passOn() {
        guard let following = state.withLock({ $0.next() }) else { return }
        patience?.start { [self] in perform(following) }
    }
}

/// The lanes of the volumes.
final class VolumeLanes: Sendable {
    private let limit: Int
    private let patience: DiskPatience?
    private let lanes = Lock<[Int: Lane]>([:])

    /// - Parameters:
    ///   - limit: How many threads each volume may take.
    ///   - patience: Gives up disks.
    init(limit: Int, patience: DiskPatience? = nil) {
        self.limit = limit
        self.patience = patience
    }

    /// - Parameter ordinal: Of a volume.
    subscript(ordinal: Int) -> Lane {
        lanes.withLock { lanes in
            if let lane = lanes[ordinal] { return lane }
            let lane = Lane(limit: limit, patience: patience)
            lanes[ordinal] = lane
            return lane
        }
    }
}
