import Glibc
import System

/// A file of `/incoming` that a person has moved there from `/rejected`, and that is to be archived
/// as it is, even if it is cut off.
///
/// It is marked on disk, for when pacsfs ends before that is done: the set-group-ID bit of a file
/// that its group may not execute means nothing to the kernel, stays when the owner changes
/// (chown(2)), and cannot be set through the mount. An archived file has it no more. Where the file
/// system has no such bit, the next start sets the file aside again.
public enum VouchedFile {
    private static let mark: mode_t = 0o2000

    /// Marks a file, before it is moved. What a file system that has no modes says is passed over.
    ///
    /// - parameter directory: where `path` begins
    public static func mark(_ path: [UInt8], in directory: Int32) {
        _ = path.withCString { fchmodat(directory, $0, 0o644 | mark, 0) }
    }

    /// - parameter mode: `st_mode`
    public static func isMarked(_ mode: mode_t) -> Bool {
        mode & S_IFMT == S_IFREG && mode & mark != 0
    }

    /// The mode without the mark.
    public static func unmarked(_ mode: mode_t) -> mode_t { isMarked(mode) ? mode & ~mark : mode }
}
