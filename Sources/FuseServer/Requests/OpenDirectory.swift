import Foundation
import System

/// A directory that a program has open.
final class OpenDirectory: Sendable {
    /// Its entries when it was opened; `nil` for a directory that is listed by the rows of the
    /// index.
    let snapshot: DirectorySnapshot?
    private let readAhead: ReadAhead

    /// - parameter queue: where entries are made before they are asked for
    init(_ snapshot: DirectorySnapshot?, readingAheadOn queue: DispatchQueue) {
        self.snapshot = snapshot
        readAhead = ReadAhead(on: queue)
    }

    /// Answers READDIR of a directory whose entries come in the order of their rows, and has
    /// the next portions made, while the program goes through this one.
    ///
    /// - Parameters:
    ///   - cookie: That of the last entry that the program has.
    ///   - size: The most bytes of an answer.
    ///   - fill: Fills a buffer with the entries after a cookie.
    func answer(
        _ request: consuming Request, after cookie: Int, size: Int,
        _ fill: @escaping ReadAhead.Filling
    ) {
        let portion: ReadAhead.Portion
        do throws(Errno) {
            portion = try readAhead.portion(after: cookie, size: size, fill)
        } catch {
            return request.error(error)
        }
        readAhead.goOn(after: portion, fill)
        request.bytes(portion.bytes)
    }
}
