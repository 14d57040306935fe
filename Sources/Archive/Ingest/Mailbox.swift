import Foundation

/// A queue between threads: those that put things in never wait, those that take them do.
public final class Mailbox<Element: Sendable>: @unchecked Sendable {
    // `items` and `isClosed` are touched only while `condition` is locked.
    public init() {}

    private let condition = NSCondition()
    private var items: [Element] = []
    private var isClosed = false

    /// - returns: false when the mailbox is closed, and `item` was not taken
    public func put(_ item: Element) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed else { return false }
        items.append(item)
        condition.signal()
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
        return taken
    }

    public func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
