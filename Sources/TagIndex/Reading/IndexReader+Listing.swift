import GRDB

// Folders as `ls` reads them: numbers and names only. A folder may have a million entries, so
// that what is done for each counts; names are not even copied.
extension IndexReader {
    /// Calls `body` with id and name of the directories in `parent` in the order they were made,
    /// those after `cookie` (an id), until it returns false. The name is good during the call.
    public func listNodes(
        in parent: Int64, after cookie: Int64,
        _ body: (_ id: Int64, _ name: UnsafeRawBufferPointer) -> Bool
    ) throws {
        try RawStatement(
            "SELECT id, name FROM node WHERE parent = ? AND id > ? ORDER BY id", in: db
        )
        .bind(parent).bind(cookie).forEachNumberAndText(body)
    }

    /// Calls `body` with id and name of the images of `series` in the order they came, those
    /// after `cookie` (an id), until it returns false. The name is good during the call.
    public func listImages(
        inSeries series: Int64, byUID: Bool, after cookie: Int64,
        _ body: (_ id: Int64, _ name: UnsafeRawBufferPointer) -> Bool
    ) throws {
        try RawStatement(
            """
            SELECT id, \(byUID ? "uid_name" : "name")
            FROM instance INDEXED BY instance_series WHERE series = ? AND id > ? ORDER BY id
            """, in: db
        ).bind(series).bind(cookie).forEachNumberAndText(body)
    }
}
