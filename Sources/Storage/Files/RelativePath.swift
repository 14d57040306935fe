/// Relative paths of clients.
enum RelativePath {
    /// The components of a relative path, at least one.
    ///
    /// - Throws: `invalidArgument` for a path that is empty or leads out of its folder.
    static func components(_ path: String) throws(StorageError) -> [String] {
        let parts = path.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false).map
        { String($0) }
        for part in parts {
            if part.isEmpty || part == "." || part == ".." || part.utf8.contains(0) {
                throw StorageError(
                    .invalidArgument, "not a path below its folder", path: path,
                    remedy: "Give names separated by /, without . and ..")
            }
        }
        return parts
    }
}
