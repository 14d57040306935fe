import System

/// Checks every few megabytes whether there is room for more: each volume keeps a reserve that
/// clients may not use up, because without it not even the catalogue could be written.
final class RoomWatch: Sendable {
    private let unchecked = Lock(Int.max / 2)
    /// Bytes between two checks.
    private static let interval = 8 << 20

    /// - Throws: What `check` throws.
    func take(_ bytes: Int, _ check: () throws(Errno) -> Void) throws(Errno) {
        let isDue = unchecked.withLock { unchecked in
            unchecked += bytes
            return unchecked >= Self.interval
        }
        guard isDue else { return }
        try check()
        unchecked.withLock { $0 = 0 }
    }
}
