import Archive

extension ImportSummary: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs import",
        [
            .integer("files", "Files that were looked at; members of zip archives are files."),
            .integer("bytes", "Bytes of these."),
            .integer("archived", "Images that are new in the archive."),
            .integer("same_data_set", "Of these, images whose data set was archived before."),
            .integer("duplicates", "Images that were archived already."),
            .integer("rejected", "Files that are no DICOM images, kept in rejected."),
            .integer("ignored", "Files that pacsfs.toml says to ignore."),
            .integer("failed", "Files that could not be read or stored."),
            .integer("links", "Symbolic links in folders, which were not followed."),
            .string("truncated[].path", "An image that was archived and is not whole."),
            .string("truncated[].reason", "What is missing."),
            .string("rejections[].path", "A file that was rejected."),
            .string("rejections[].reason", "Why."),
            .string("failures[].path", "A file that could not be read or stored."),
            .string("failures[].reason", "Why, and what to do."),
        ])
}

extension ImportResult: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs import --verbose",
        [
            .string("path", "The file."),
            .integer("bytes", "Its size."),
            .word("outcome", ImportResult.Outcome.self, "What became of it."),
            .string("reason", orNull: true, "Why it was rejected or failed."),
            .boolean("same_data_set", "Whether its data set was archived before."),
            .string("truncated", orNull: true, "What is missing of an image that is not whole."),
        ])
}
