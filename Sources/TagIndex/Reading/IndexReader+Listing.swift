import GRDB

// Directories as `ls` reads them: only ids and names. A directory may have a million entries, so
// every step for one entry counts; not even the names are copied.
extension IndexReader {
    /// Calls `body` with the directories in `parent`, in the order of their creation.
    ///
    /// - Parameters:
    ///   - parent: `node.id`; 0 for the root.
    ///   - cookie: `node.id` after which to begin; 0 for all.
    ///   - body: Returns whether to go on. The name, in UTF-8, is good only during the call.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func listNodes(
        in parent: Int64, after cookie: Int64,
        _ body: (_ id: Int64, _ name: UnsafeRawBufferPointer) -> Bool
    ) throws {
        try RawStatement(
            "SELECT id, name FROM node WHERE parent = ? AND id > ? ORDER BY id", in: db
        )
        .bind(parent).bind(cookie).forEachNumberAndText(body)
    }

    /// Calls `body` with the images of a series, in the order of their arrival.
    ///
    /// - Parameters:
    ///   - series: `series.id`.
    ///   - byUID: Whether they are named by SOPInstanceUID. If not, only one of several versions
    ///     of an image is among them, the first.
    ///   - cookie: `instance.id` after which to begin; 0 for all.
    ///   - body: Returns whether to go on. The name, in UTF-8, is good only during the call.
    /// - Throws: ``IndexError`` with code `corrupt` when the index is damaged.
    public func listImages(
        inSeries series: Int64, byUID: Bool, after cookie: Int64,
        _ body: (_ id: Int64, _ name: UnsafeRawBufferPointer) -> Bool
    ) throws {
        try RawStatement(
            """
            SELECT id, \(byUID ? "uid_name" : "name")
            FROM instance INDEXED BY instance_series
            WHERE series = ? AND id > ? \(byUID ? "" : "AND \(Schema.isShown)") ORDER BY id
            """, in: db
        ).bind(series).bind(cookie).forEachNumberAndText(body)
    }
}
