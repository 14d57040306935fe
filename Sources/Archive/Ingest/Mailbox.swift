import Foundation

/// A queue between threads: those that take things wait for some, those that put them in only
/// when it has a limit.
public final class Mailbox<Element: Sendable>: @unchecked Sendable {
    // `items` and `isClosed` are touched only while `condition` is locked.

    /// - parameter limit: with so many waiting, ``put(_:)`` waits too
    public init(limit: Int = .max) { self.limit = limit }

    private let limit: Int
    private let condition = NSCondition()
    private var items: [Element] = []
    private var isClosed = false

    /// - returns: false when the mailbox is closed, and `item` was not taken
    public func put(_ item: Element) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while items.count >= limit, !isClosed { condition.wait() }
        guard !isClosed else { return false }
        items.append(item)
        // With a limit, both sides may wait for the same condition.
        if limit == .max { condition.signal() } else { condition.broadcast() }
        return true
    }

    /// Waits for something, and takes all there is, at most `limit`; empty when the mailbox
    /// is closed and nothing is left.
    public func take(atMost limit: Int) -> [Element] {
        condition.lock()
        defer { condition.unlock() }
        while items.isEmpty, !isClosed { condition.wait() }
        let taken = Array(items.prefix(limit))
        items.removeFirst(taken.count)
        if self.limit < .max { condition.broadcast() }
        return taken
    }

    public func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
