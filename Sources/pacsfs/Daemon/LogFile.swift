import Glibc
import System

/// `pacsfs.log`, to which a daemon in the background appends its messages: its standard output and
/// standard error.
///
/// A log that has grown large is kept as `pacsfs.log.1`, in the place of the older one, so that
/// both together stay bounded however long a daemon runs.
final class LogFile: Sendable {
    /// Bytes. A larger log is put aside, and a new one is begun.
    static let limit = 10 << 20

    private let path: String
    private let turn = Lock(())

    init(_ path: String) { self.path = path }

    /// Puts a large log aside, before a daemon is started.
    static func rotate(_ path: String) {
        guard let status = status(path), status.st_size > limit else { return }
        // Without it the log goes on growing, and nothing is lost.
        _ = rename(path, path + ".1")
    }

    /// Begins a new file when that is due; to be called after each line. A line that another thread
    /// writes meanwhile goes to one file or the other, whole: dup2(2) is one step, and both files
    /// are appended to.
    func rotateIfDue() {
        turn.withLock { _ in
            var open = stat()
            guard fstat(STDERR_FILENO, &open) == 0, open.st_mode & S_IFMT == S_IFREG,
                open.st_size > Self.limit
            else { return }
            // Somebody may have moved it: then there is none at this path, or another one.
            if let status = Self.status(path),
                (status.st_dev, status.st_ino) == (open.st_dev, open.st_ino)
            {
                guard rename(path, path + ".1") == 0 else { return }
            }
            let new = Glibc.open(
                path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            // If none can be made, messages still go to the one that was moved.
            guard new >= 0 else { return }
            for descriptor in [STDOUT_FILENO, STDERR_FILENO] { _ = dup2(new, descriptor) }
            close(new)
        }
    }

    /// `nil` when there is no such file.
    private static func status(_ path: String) -> stat? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return status
    }
}
