/// A thread that does pieces of work one after the other, in the order in which they were put.
public final class SerialWorker: Sendable {
    private let work = BlockingQueue<@Sendable () -> Void>()
    private let threads = ThreadGroup()
    private let name: String

    /// Starts the thread, which ends with this object.
    ///
    /// - Parameter name: Of the thread.
    public init(_ name: String) {
        self.name = name
        threads.start(name) { [work] in
            while let next = work.take() { next() }
        }
    }

    deinit { work.close() }

    /// Has a piece of work done; nothing after ``finish()``.
    public func put(_ piece: @escaping @Sendable () -> Void) { _ = work.put(piece) }

    /// Waits until all that was put before is done, and lets the thread end.
    public func finish() {
        work.close()
        threads.wait(for: name)
    }
}
