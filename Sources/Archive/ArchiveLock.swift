import Glibc
import Storage
import System

/// The lock that says which process has the archive: `flock(2)` on `ARCHIVE/lock`, which contains
/// the id of that process. The kernel releases it when the process ends, however it ends.
final class ArchiveLock: Sendable {
    private let file: SharedDescriptor

    /// - Throws: ``ArchiveError`` with the code `locked`, naming the process that has it.
    init(archive path: String) throws(ArchiveError) {
        let name = path + "/lock"
        do throws(Errno) {
            file = SharedDescriptor(try Descriptor(opening: name, O_RDWR | O_CREAT))
        } catch {
            throw ArchiveError(
                .file, "The archive's lock cannot be opened", path: name, cause: error,
                remedy: "Let the user that pacsfs runs as own the archive's directory.")
        }
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
            let holder = RunningProcess.description(of: Self.holder(file.number))
            throw ArchiveError(
                .locked,
                "The archive \(path) is in use by \(holder). Only one pacsfs can have it at a time."
            )
        }
        let text = "\(getpid())\n"
        ftruncate(file.number, 0)
        _ = text.withCString { pwrite(file.number, $0, strlen($0), 0) }
    }

    /// Releases the lock. Unlocked, not only closed: a child process that is just being started
    /// may still have the descriptor for a moment.
    func release() { flock(file.number, LOCK_UN) }

    deinit { release() }

    private static func holder(_ descriptor: Int32) -> pid_t? {
        guard let bytes = try? FileIO.bytes(descriptor, at: 0, count: 32), !bytes.isEmpty else {
            return nil
        }
        return pid_t(String(decoding: bytes.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
    }

    /// The process that has the archive at `path`; `nil` when none has.
    static func holder(archive path: String) -> pid_t? {
        guard let file = try? Descriptor(opening: path + "/lock", O_RDONLY) else { return nil }
        // A shared lock, so that this look hardly ever hinders somebody who opens the archive.
        if flock(file.number, LOCK_SH | LOCK_NB) == 0 { return nil }
        return holder(file.number)
    }
}
