import Foundation
import System

/// The entries of a directory that lists its rows in order, made before they are asked for: a
/// program that goes through a full folder works on one processor while we do on another.
///
/// A portion that was made ahead is given out only when it is full: rows are never put between
/// others, so that it holds what it would hold now. The end of a directory is looked at anew.
final class ReadAhead: @unchecked Sendable {
    /// What one READDIR is answered with.
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

    /// How many portions are made ahead at most: what one slow look-up makes late, those before
    /// it make up for. A directory that somebody keeps open in its middle holds no more than
    /// half a MiB, unless he asks for more at once.
    private static func greatestDepth(_ size: Int) -> Int {
        max(1, min(16, (512 << 10) / max(1, size)))
    }

    /// Where is made what is not asked for yet, so that whoever has answered can go back to the
    /// next request.
    private let queue: DispatchQueue

    // All that follows only with `condition` held, which is never held during a look-up.
    private let condition = NSCondition()
    /// Portions that follow one another.
    private var ready: [Portion] = []
    /// Whether `queue` has been told to go on, or does.
    private var isGoingOn = false
    /// The cookie after which a portion is just being made.
    private var making: Int?
    /// The last cookie of what was given out and of what is ready; 0 when that is not known.
    private var end = 0
    /// How many shall be ready: more for a program that came back for what was made.
    private var depth = 1
    /// How often a program went on elsewhere than expected.
    private var turns = 0

    /// - parameter queue: a serial one, of one thread at a time
    init(on queue: DispatchQueue) { self.queue = queue }

    /// The entries after `cookie`.
    ///
    /// - parameters:
    ///   - size: what an answer may take, in bytes
    ///   - fill: fills a buffer with the entries after a cookie
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

    /// Has what follows `portion` made, which is about to be given out.
    func goOn(after portion: borrowing Portion, _ fill: @escaping Filling) {
        guard portion.isFull, portion.last > 0 else { return }
        let size = portion.memory.count
        condition.lock()
        defer { condition.unlock() }
        // Half of what there may be is left to the program, so that we are not woken for each.
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
