import System

/// A directory that a program has open.
final class OpenDirectory: Sendable {
    /// Its entries when it was opened; `nil` when it is listed by rows of the index.
    let snapshot: DirectorySnapshot?
    private let readAhead: ReadAhead

    /// - Parameter worker: Prepares entries before the program asks for them.
    init(_ snapshot: DirectorySnapshot?, readingAheadOn worker: SerialWorker) {
        self.snapshot = snapshot
        readAhead = ReadAhead(on: worker)
    }

    /// Answers READDIR of a directory whose entries come in the order of their rows, and has the
    /// next portions prepared while the program goes through this one.
    ///
    /// - Parameters:
    ///   - cookie: Of the last entry that the program has.
    ///   - size: How large the answer may be, bytes.
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
