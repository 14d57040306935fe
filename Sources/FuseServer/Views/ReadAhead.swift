import System

/// The entries of a directory that lists its rows in order, prepared before the program asks for
/// them: it goes through a full folder on one processor while the daemon works on another.
///
/// A portion prepared ahead is used only when it is full: rows are never inserted between others,
/// so it holds what it would hold now. The end of a directory is looked up anew.
final class ReadAhead: Sendable {
    /// The answer to one READDIR.
    final class Portion {
        let memory: UnsafeMutableRawBufferPointer
        /// The cookie after which it begins.
        let after: Int
        fileprivate(set) var used = 0
        /// The cookie of its last entry.
        fileprivate(set) var last = 0
        /// Whether there are more entries than fit.
        fileprivate(set) var isFull = false

        fileprivate init(after cookie: Int, size: Int, _ fill: Filling) throws(Errno) {
            after = cookie
            memory = .allocate(byteCount: size, alignment: 8)
            var buffer = DirectoryBuffer(request: nil, memory: memory)
            try fill(cookie, &buffer)
            (used, last, isFull) = (buffer.used, buffer.last, buffer.isFull)
        }

        deinit { memory.deallocate() }

        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<used]) }
    }

    typealias Filling = @Sendable (_ cookie: Int, inout DirectoryBuffer) throws(Errno) -> Void

    /// How many portions are ready at most: enough that the program does not wait for one slow
    /// look-up. They take half a MiB of memory for each open directory, unless a single answer is
    /// larger.
    ///
    /// - Parameter size: Of an answer, bytes.
    private static func greatestDepth(_ size: Int) -> Int {
        max(1, min(16, (512 << 10) / max(1, size)))
    }

    /// Prepares portions, so that the thread that has answered is free for the next request.
    private let worker: SerialWorker

    private struct State {
        /// Portions in the order of their cookies.
        var ready: [Portion] = []
        /// Whether `worker` is preparing portions, or about to.
        var isGoingOn = false
        /// The cookie after which a portion is being prepared now.
        var making: Int?
        /// The cookie after which the next portion begins; 0 when it is not known.
        var end = 0
        /// How many portions to keep ready: it doubles each time one of them is used.
        var depth = 1
        /// How often the program went on elsewhere than expected: portions prepared before are
        /// void.
        var turns = 0
    }

    private let state = Monitor(State())

    init(on worker: SerialWorker) { self.worker = worker }

    /// The entries after `cookie`.
    ///
    /// - Parameters:
    ///   - size: How large the answer may be, bytes.
    ///   - fill: Fills a buffer with the entries after a cookie.
    /// - Throws: What `fill` throws.
    func portion(after cookie: Int, size: Int, _ fill: Filling) throws(Errno) -> Portion {
        if let portion = expected(after: cookie, size: size) { return portion }
        let portion = try Portion(after: cookie, size: size, fill)
        state.withLock { if $0.ready.isEmpty { $0.end = portion.last } }
        return portion
    }

    /// A portion that is ready, or is just being prepared; `nil` when the program goes on
    /// elsewhere.
    private func expected(after cookie: Int, size: Int) -> Portion? {
        state.wait { state -> Portion?? in
            if state.ready.isEmpty, state.making == cookie { return nil }
            if let first = state.ready.first, first.after == cookie, first.memory.count == size {
                state.depth = min(2 * state.depth, Self.greatestDepth(size))
                return state.ready.removeFirst()
            }
            (state.ready, state.end, state.depth) = ([], 0, 1)
            state.turns += 1
            return .some(nil)
        }
    }

    /// Prepares what follows a portion, which the program is about to get.
    func goOn(after portion: borrowing Portion, _ fill: @escaping Filling) {
        guard portion.isFull, portion.last > 0 else { return }
        let size = portion.memory.count
        let begins = state.withLock { state in
            // Not for each portion: when half of them are used up.
            guard !state.isGoingOn, state.end > 0, state.ready.count <= state.depth / 2 else {
                return false
            }
            state.isGoingOn = true
            return true
        }
        if begins { worker.put { [self] in make(size: size, fill) } }
    }

    private func make(size: Int, _ fill: Filling) {
        while let (cookie, turn) = nextToMake() {
            // With no lock held: a look-up takes time.
            let next = try? Portion(after: cookie, size: size, fill)
            state.withLock(waking: .all) { state in
                state.making = nil
                guard turn == state.turns else { return }
                // The end of the directory is looked up when it is asked for.
                state.end = next?.isFull == true ? next?.last ?? 0 : 0
                if let next, next.isFull { state.ready.append(next) }
            }
        }
    }

    private func nextToMake() -> (cookie: Int, turn: Int)? {
        state.withLock { state in
            guard state.ready.count < state.depth, state.end > 0 else {
                state.isGoingOn = false
                return nil
            }
            state.making = state.end
            return (state.end, state.turns)
        }
    }
}
