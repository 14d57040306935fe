/// A queue between threads: takers wait for elements; putters wait only when it has a limit.
public final class BlockingQueue<Element: Sendable>: Sendable {
    private struct State {
        var items: [Element] = []
        var isClosed = false
    }

    private let limit: Int
    /// Waking one thread does when any of those that wait can go on.
    private let waking: Monitor<State>.Waking
    private let state = Monitor(State())

    /// - Parameters:
    ///   - limit: With so many elements waiting, ``put(_:)`` waits too.
    ///   - isSelective: Takers use ``takeFirst(where:)``.
    public init(limit: Int = .max, isSelective: Bool = false) {
        self.limit = limit
        waking = limit < .max || isSelective ? .all : .one
    }

    /// Appends an element, when there is room.
    ///
    /// - Returns: False when the queue is closed; `item` was not taken then.
    public func put(_ item: Element) -> Bool {
        state.wait(waking: waking) { [limit] state in
            if state.isClosed { return false }
            guard state.items.count < limit else { return nil }
            state.items.append(item)
            return true
        }
    }

    /// Waits for the next element.
    ///
    /// - Returns: `nil` when the queue is closed and nothing is left.
    public func take() -> Element? { take(atMost: 1).first }

    /// Waits for an element, and takes all there are.
    ///
    /// - Parameter count: At most so many are taken.
    /// - Returns: Nothing when the queue is closed and nothing is left.
    public func take(atMost count: Int) -> [Element] {
        state.wait(waking: limit < .max ? .all : .none) { state in
            if state.items.isEmpty { return state.isClosed ? [] : nil }
            let taken = Array(state.items.prefix(count))
            state.items.removeFirst(taken.count)
            return taken
        }
    }

    /// Waits for an element that suits, and takes the first such.
    ///
    /// - Returns: `nil` when the queue is closed and no such element is left.
    public func takeFirst(where suits: (Element) -> Bool) -> Element? {
        state.wait(waking: limit < .max ? .all : .none) { state -> Element?? in
            if let index = state.items.firstIndex(where: suits) {
                return .some(state.items.remove(at: index))
            }
            return state.isClosed ? .some(nil) : nil
        }
    }

    /// Accepts no more elements; those in the queue can still be taken.
    public func close() { state.withLock(waking: .all) { $0.isClosed = true } }
}
