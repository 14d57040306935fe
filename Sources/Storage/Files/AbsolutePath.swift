/// Absolute paths without links, compared byte for byte as the kernel does: a `/` separates even
/// before a combining mark, with which it makes one Character.
public enum AbsolutePath {
    /// Whether a path is a directory or lies below it.
    public static func isInside(_ path: String, _ directory: String) -> Bool {
        path.utf8.elementsEqual(directory.utf8)
            || path.utf8.starts(with: (directory == "/" ? "/" : directory + "/").utf8)
    }

    /// Whether a path lies below a directory, and is not that itself.
    public static func isBelow(_ path: String, _ directory: String) -> Bool {
        !path.utf8.elementsEqual(directory.utf8) && isInside(path, directory)
    }
}
