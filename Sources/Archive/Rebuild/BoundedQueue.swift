import Foundation

/// What one thread hands to another, a few pieces ahead and no more.
final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    // Sendable: everything below is looked at with `condition` locked only.
    private let condition = NSCondition()
    private var waiting: [Element] = []
    private var isFinished = false
    private var failure: (any Error)?
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Waits until there is room.
    ///
    /// - returns: false when nobody takes anything any more
    func put(_ element: Element) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while waiting.count >= limit, !isFinished { condition.wait() }
        guard !isFinished else { return false }
        waiting.append(element)
        condition.broadcast()
        return true
    }

    /// The next element; `nil` at the end.
    ///
    /// - throws: what it was finished with
    func take() throws -> Element? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty, !isFinished { condition.wait() }
        if !waiting.isEmpty {
            condition.broadcast()
            return waiting.removeFirst()
        }
        if let failure { throw failure }
        return nil
    }

    /// Nothing more comes, or nothing more is taken; what was put is still given out.
    func finish(_ error: (any Error)? = nil) {
        condition.lock()
        defer { condition.unlock() }
        if !isFinished { failure = error }
        isFinished = true
        condition.broadcast()
    }
}
