import Glibc

/// `pacsfs.log`, to which a daemon in the background appends its messages.
enum LogFile {
    /// Bytes from which on a new one is begun.
    static let limit = 10 << 20

    /// Before a daemon is started: keeps a log that has grown large as `pacsfs.log.1`, in the place
    /// of the one before.
    static func rotate(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > limit else { return }
        // Without it the log goes on growing, and nothing is lost.
        _ = rename(path, path + ".1")
    }
}
