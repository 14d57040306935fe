import System

/// Checks every few megabytes whether there is room for more: each volume keeps a reserve that
/// clients may not use up, because without it not even the catalogue could be written.
final class RoomWatch: Sendable {
    /// Bytes between two checks.
    private static let interval = 8 << 20
    /// Bytes that were taken since the last one, which found room for others. The first is due.
    private let unchecked = Lock(interval)

    /// - Throws: What `check` throws.
    func take(_ bytes: Int, _ check: () throws(Errno) -> Void) throws(Errno) {
        let counted = unchecked.withLock { unchecked in
            unchecked += bytes
            return unchecked
        }
        guard counted >= Self.interval else { return }
        try check()
        // What other threads have counted meanwhile may be on no disk yet.
        unchecked.withLock { $0 = max(0, $0 - counted) }
    }
}
