import Glibc
import Storage
import System

/// The lock that says which process has the archive: `flock(2)` on `ARCHIVE/lock`, in which
/// the number of that process stands. The kernel lets it go when the process ends, however.
final class ArchiveLock: Sendable {
    private let descriptor: Int32

    /// - throws: ``ArchiveError`` with code `locked`, naming the process that has it.
    init(archive path: String) throws(ArchiveError) {
        let file = path + "/lock"
        descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ArchiveError(
                .storage, "Cannot open \(file): \(String(cString: strerror(errno))).")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(descriptor)
            close(descriptor)
            throw ArchiveError(
                .locked,
                "The archive \(path) is in use by \(RunningProcess.description(of: holder)). Only one pacsfs can have it at a time."
            )
        }
        let text = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    }

    /// Lets the archive go. Unlocked, not only closed: a child process that is just being
    /// started may have the descriptor for a moment still.
    func release() { flock(descriptor, LOCK_UN) }

    deinit {
        release()
        close(descriptor)
    }

    private static func holder(_ descriptor: Int32) -> pid_t? {
        var bytes = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return pid_t(
            String(decoding: bytes.prefix(count).prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)
        )
    }

    /// The process that has the archive at `path`; `nil` when none has.
    static func holder(archive path: String) -> pid_t? {
        let descriptor = open(path + "/lock", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // Shared, so that a look does not hinder somebody who opens the archive just now… much.
        if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return nil }
        return holder(descriptor)
    }
}
