import Foundation

/// A directory that a program has open.
final class OpenDirectory: @unchecked Sendable {
    /// What it held when it was opened; `nil` for one that is listed by the rows of the index.
    let snapshot: DirectorySnapshot?

    // Only with the lock held, which a READDIR of this directory may wait for, and nobody else.
    private var ahead: Portion?
    private let lock = NSLock()

    init(_ snapshot: DirectorySnapshot?) { self.snapshot = snapshot }

    /// What one READDIR is answered with.
    private struct Portion {
        var after: Int
        var size: Int
        var bytes: [UInt8]
        /// The cookie of its last entry.
        var last: Int
        /// Whether there are more entries than fit.
        var isFull: Bool
    }

    typealias Filling = (_ cookie: Int, inout DirectoryBuffer) throws(Errno) -> Void

    /// Answers READDIR of a directory whose entries come in the order of their rows, and then
    /// gets the next portion ready, while the program goes through this one.
    ///
    /// A portion that was made ahead is used only when it is full: rows are never put between
    /// others, so that it holds what it would hold now. The end of a directory is looked at anew.
    ///
    /// - parameters:
    ///   - cookie: that of the last entry the program has
    ///   - size: what an answer may take, in bytes
    ///   - fill: fills a buffer with the entries after a cookie
    func answer(_ request: consuming Request, after cookie: Int, size: Int, _ fill: Filling) {
        lock.lock()
        defer { lock.unlock() }
        let known = ahead.flatMap { $0.after == cookie && $0.size == size ? $0 : nil }
        ahead = nil
        let portion: Portion
        do throws(Errno) {
            portion = if let known { known } else { try Self.portion(after: cookie, size: size, fill) }
        } catch {
            return request.error(error)
        }
        request.bytes(portion.bytes[...])
        guard portion.isFull, portion.last > 0 else { return }
        let next = try? Self.portion(after: portion.last, size: size, fill)
        ahead = next?.isFull == true ? next : nil
    }

    private static func portion(after cookie: Int, size: Int, _ fill: Filling) throws(Errno) -> Portion {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { memory.deallocate() }
        var buffer = DirectoryBuffer(request: nil, memory: memory)
        try fill(cookie, &buffer)
        return Portion(
            after: cookie, size: size, bytes: [UInt8](memory[..<buffer.used]), last: buffer.last, isFull: buffer.isFull)
    }
}
