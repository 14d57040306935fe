import Foundation
import System

/// The entries of a directory that lists its rows in order, made before the program asks for them.
/// So a program that reads a large directory works on one processor while we work on another.
///
/// A portion that was made ahead is used only when it is full: rows are never inserted between
/// others, so a full portion is still correct. The end of a directory is looked up again.
final class ReadAhead: @unchecked Sendable {
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

    /// The most portions that are made ahead: earlier portions make up for the delay of one slow
    /// look-up. A directory that stays open in its middle holds at most half a MiB, unless the
    /// program asks for more at once.
    private static func greatestDepth(_ size: Int) -> Int {
        max(1, min(16, (512 << 10) / max(1, size)))
    }

    /// The queue on which portions are made ahead, so that the thread that has answered can go on
    /// to the next request.
    private let queue: DispatchQueue

    // All that follows only with `condition` held, which is never held during a look-up.
    private let condition = NSCondition()
    /// Portions that follow one another.
    private var ready: [Portion] = []
    /// Whether the queue has work, or is working.
    private var isGoingOn = false
    /// The cookie after which a portion is just being made.
    private var making: Int?
    /// The last cookie of the portions that were used and that are ready; 0 when it is not known.
    private var end = 0
    /// The number of portions to keep ready: more for a program that came back for the first ones.
    private var depth = 1
    /// How often a program went on elsewhere than expected.
    private var turns = 0

    /// - parameter queue: a serial one, of one thread at a time
    init(on queue: DispatchQueue) { self.queue = queue }

    /// The entries after `cookie`.
    ///
    /// - Parameters:
    ///   - size: The most bytes of an answer.
    ///   - fill: Fills a buffer with the entries after a cookie.
    func portion(after cookie: Int, size: Int, _ fill: Filling) throws(Errno) -> Portion {
        if let portion = expected(after: cookie, size: size) { return portion }
        let portion = try Portion(after: cookie, size: size, fill)
        condition.withLock { if ready.isEmpty { end = portion.last } }
        return portion
    }

    private func expected(after cookie: Int, size: Int) -> Portion? {
        condition.lock()
        defer { condition.unlock() }
        while ready.isEmpty, making == cookie { condition.wait() }
        if let first = ready.first, first.after == cookie, first.memory.count == size {
            depth = min(2 * depth, Self.greatestDepth(size))
            return ready.removeFirst()
        }
        ready = []
        end = 0
        depth = 1
        turns += 1
        return nil
    }

    /// Lets the portions after `portion` be made, which is about to be used.
    func goOn(after portion: borrowing Portion, _ fill: @escaping Filling) {
        guard portion.isFull, portion.last > 0 else { return }
        let size = portion.memory.count
        condition.lock()
        defer { condition.unlock() }
        // Wait until the program has used half of them, so that we are not woken for each.
        guard !isGoingOn, end > 0, ready.count <= depth / 2 else { return }
        isGoingOn = true
        queue.async { [self] in make(size: size, fill) }
    }

    private func make(size: Int, _ fill: Filling) {
        condition.lock()
        defer { condition.unlock() }
        while ready.count < depth, end > 0 {
            let (cookie, turn) = (end, turns)
            making = cookie
            condition.unlock()
            let next = try? Portion(after: cookie, size: size, fill)
            condition.lock()
            making = nil
            if turn == turns {
                // Without one that is full, everybody looks for himself.
                end = next?.isFull == true ? next?.last ?? 0 : 0
                if let next, next.isFull { ready.append(next) }
            }
            condition.broadcast()
        }
        isGoingOn = false
    }
}
