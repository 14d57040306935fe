import Foundation

/// A queue between threads: those that take things wait for some, those that put them in only
/// when it has a limit.
public final class Mailbox<Element: Sendable>: @unchecked Sendable {
    // `items` and `isClosed` are touched only while `condition` is locked.

    /// - parameters:
    ///   - limit: with so many waiting, ``put(_:)`` waits too
    ///   - isSelective: some take only what suits them
    public init(limit: Int = .max, isSelective: Bool = false) {
        self.limit = limit
        wakesAll = limit < .max || isSelective
    }

    private let limit: Int
    /// Whether who is woken first may not be the one who can go on.
    private let wakesAll: Bool
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
        if wakesAll { condition.broadcast() } else { condition.signal() }
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

    /// Waits for something that suits, and takes the first; `nil` when the mailbox is closed and
    /// nothing that does is left.
    public func takeFirst(where suits: (Element) -> Bool) -> Element? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let index = items.firstIndex(where: suits) {
                defer { if limit < .max { condition.broadcast() } }
                return items.remove(at: index)
            }
            if isClosed { return nil }
            condition.wait()
        }
    }

    public func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
