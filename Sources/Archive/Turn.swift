import System

/// Lets one thread at a time do something that takes long. Those that wait hold no lock.
final class Turn: Sendable {
    private let isTaken = Monitor(false)

    func take<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
        isTaken.wait { isTaken -> Void? in
            if isTaken { return nil }
            isTaken = true
            return ()
        }
        defer { isTaken.withLock(waking: .one) { $0 = false } }
        // Others wait for it, and must not wait for a disk because of that.
        return try DiskWork.keptFree(body)
    }

    /// Waits until nobody has it.
    ///
    /// - Parameter time: The most nanoseconds.
    func wait(atMost time: Int64) {
        _ = isTaken.wait(until: SystemClock().now + time) { isTaken in isTaken ? nil : () }
    }
}
