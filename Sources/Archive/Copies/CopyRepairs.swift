import Storage
import System

/// Lets one thread at a time replace the copies of an image: a reader that heals, or an ingest
/// that has the same bytes. Otherwise one of them would set aside the good copy that the other
/// has just made. Images do not wait for each other.
final class CopyRepairs: Sendable {
    private let busy = Monitor<Set<Digest>>([])

    /// Calls `body` when nobody else deals with the copies of these images. Its thread is never in
    /// a call on a disk meanwhile: others wait for its end.
    ///
    /// - Parameter digests: All the images `body` deals with. Taken at once, so that two callers
    ///   cannot wait for each other.
    func exclusively<R>(_ digests: Set<Digest>, _ body: () throws -> R) rethrows -> R {
        if digests.isEmpty { return try body() }
        busy.wait { busy -> Void? in
            guard busy.isDisjoint(with: digests) else { return nil }
            busy.formUnion(digests)
            return ()
        }
        defer { busy.withLock(waking: .all) { $0.subtract(digests) } }
        return try DiskWork.keptFree(body)
    }
}
