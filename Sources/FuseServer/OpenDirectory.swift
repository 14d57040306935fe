/// A directory that a program has open.
final class OpenDirectory: Sendable {
    /// What it held when it was opened; `nil` for one that is listed by the rows of the index.
    let snapshot: DirectorySnapshot?
    private let readAhead = ReadAhead()

    init(_ snapshot: DirectorySnapshot?) { self.snapshot = snapshot }

    /// Answers READDIR of a directory whose entries come in the order of their rows, and then
    /// gets the next portions ready, while the program goes through this one.
    ///
    /// - parameters:
    ///   - cookie: that of the last entry the program has
    ///   - size: what an answer may take, in bytes
    ///   - fill: fills a buffer with the entries after a cookie
    func answer(_ request: consuming Request, after cookie: Int, size: Int, _ fill: ReadAhead.Filling) {
        let portion: ReadAhead.Portion
        do throws(Errno) {
            portion = try readAhead.portion(after: cookie, size: size, fill)
        } catch {
            return request.error(error)
        }
        request.bytes(portion.bytes)
        readAhead.goOn(after: portion, fill)
    }
}
