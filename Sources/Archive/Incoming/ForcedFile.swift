import Glibc
import System

/// A file of `/incoming` that a person has moved there from `/rejected`. It is archived as it is,
/// even if it is truncated.
///
/// A mark on disk says so, in case pacsfs ends before the file is archived: the set-group-ID bit of
/// a file that its group may not execute. The kernel gives that bit no meaning, keeps it when the
/// owner changes (chown(2)), and clients cannot set it through the mount. Archiving takes the mark
/// away. On a file system without such a bit the next start sets the file aside again.
public enum ForcedFile {
    private static let mark: mode_t = 0o2000

    /// Marks a file, before it is moved. Nobody may read it who could not before. Errors of file
    /// systems without modes are ignored.
    ///
    /// - Parameters:
    ///   - path: Relative to `directory`.
    ///   - directory: An open directory.
    public static func mark(_ path: [UInt8], in directory: Int32) {
        try? PathDescent.with(path, below: directory) { directory, path in
            path.withCString { path in
                var status = stat()
                guard fstatat(directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return }
                _ = fchmodat(directory, path, status.st_mode & 0o666 | 0o600 | mark, 0)
            }
        }
    }

    /// Whether a file is marked.
    ///
    /// - Parameter mode: Its `st_mode`.
    public static func isMarked(_ mode: mode_t) -> Bool {
        mode & S_IFMT == S_IFREG && mode & mark != 0
    }

    /// The mode without the mark.
    public static func unmarked(_ mode: mode_t) -> mode_t { isMarked(mode) ? mode & ~mark : mode }
}
