import Glibc
import Storage
import System

/// The disk of the archive's directory. When it is full, the index cannot grow, and nothing can be
/// archived.
enum ArchiveDisk {
    /// Bytes that are kept for what is under way: a transaction of the index, and the log.
    private static let reserve: Int64 = 4 << 20

    /// Bytes that are free; `nil` when the disk does not answer.
    ///
    /// See: 'man 3 statvfs'
    static func free(of path: String) -> Int64? {
        var space = statvfs()
        guard statvfs(path, &space) == 0 else { return nil }
        return Int64(clamping: space.f_bavail) * Int64(space.f_frsize)
    }

    /// - Parameter free: What ``free(of:)`` says.
    static func isFull(_ free: Int64?) -> Bool { free.map { $0 < reserve } ?? false }

    /// - Throws: ``ArchiveError`` with the code `noSpace`.
    static func requireRoom(at path: String) throws(ArchiveError) {
        guard isFull(free(of: path)) else { return }
        throw ArchiveError(
            .noSpace, "The disk of the archive's directory is full: the index cannot grow",
            path: path, remedy: "Make room there; the archive goes on by itself.")
    }
}
