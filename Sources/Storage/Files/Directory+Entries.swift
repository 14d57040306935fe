import System

extension Directory {
    typealias Entry = DirectoryEntry

    /// Calls `body` with each entry except `.` and `..`, in no order, in constant memory.
    ///
    /// - Throws: The code for the `errno` of opening or reading the folder, or the error of `body`,
    ///   which ends the iteration.
    func forEachEntry(
        _ body: (Entry) throws(StorageError) -> Void
    ) throws(StorageError) {
        try DirectoryEntry.forEach(in: number, orThrow: { .list($0, path) }, body)
    }

    /// The names in this folder, without `.` and `..`, in no order.
    func entries() throws(StorageError) -> [String] {
        var names: [String] = []
        try forEachEntry { (entry) throws(StorageError) in names.append(entry.text) }
        return names
    }
}
