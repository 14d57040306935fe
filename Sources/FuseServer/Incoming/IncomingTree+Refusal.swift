import Archive
import Glibc
import System

// New files that are refused before a byte of them is written.
extension IncomingTree {
    /// Refuses a new file when there is no room, or there are too few volumes. The log says what
    /// the program is not told by its error number.
    ///
    /// - Throws: `ENOSPC` or `EIO`.
    func requireRoom(forNew name: [UInt8], in parent: UInt64) throws(Errno) {
        do throws(ArchiveError) { try archive.checkRoom(for: 0) } catch {
            let path = locked { contents in
                contents.tree.path(of: DirectoryTree.Place(name: name, directory: parent))
            }
            refusals.note("\(error)") {
                archive.log.warning("\(IngestSource.incoming(path)) is refused: \(error)")
            }
            throw Errno(error.code.errno)
        }
        refusals.clear()
    }

    /// What `user.pacsfs.reason` of `/incoming` itself says; `nil` while new files are taken.
    var refusalReason: String? {
        do throws(ArchiveError) { try archive.checkRoom(for: 0) } catch {
            return "New files are refused: \(error)"
        }
        return nil
    }
}

/// Says why files are refused once, until the reason changes: a program may try again and again.
final class Refusals: Sendable {
    private let last = Lock<String?>(nil)

    func note(_ reason: String, _ log: () -> Void) {
        let isNew = last.withLock { last in
            defer { last = reason }
            return last != reason
        }
        if isNew { log() }
    }

    func clear() { last.withLock { $0 = nil } }
}
