import Archive
import Storage

/// What `pacsfs find --json` prints.
struct FindDocument: JSONDocument {
    struct Study: Encodable {
        @Nullable var date: String?
        /// By keyword; those that have a value.
        var attributes: [String: String]
        var modalities: [String]
        var series: Int
        var images: Int
        var paths: [String]
    }

    var studies: [Study]

    static let format = DocumentFormat(
        "pacsfs find",
        [
            .string("studies[].date", orNull: true, "The study's date: 2024-05-01."),
            .string(
                "studies[].attributes.KEYWORD",
                """
                PatientName, PatientID, StudyDescription and StudyInstanceUID; those that have a \
                value.
                """
            ),
            .string("studies[].modalities[]", "Modalities of its series."),
            .integer("studies[].series", "How many series it has."),
            .integer("studies[].images", "How many images it has."),
            .string("studies[].paths[]", "Its folders; absolute while the archive is mounted."),
        ])
}

/// What `pacsfs show --json` prints.
struct ShowDocument: JSONDocument {
    struct Image: Encodable {
        var sha256: String
        var bytes: Int64
        var received: Timestamp
        var source: String
        var flags: [ImageFlag]
        /// By keyword; those that have a value.
        var attributes: [String: String]
        var copies: [Copy]
        var paths: [String]
        /// SHA-256 of the earlier images, one of which has the same data set.
        var sameDataSetAs: [String]
    }

    struct Copy: Encodable {
        var ordinal: Int
        var verified: Timestamp
    }

    var images: [Image]

    static let format = DocumentFormat(
        "pacsfs show",
        [
            .string("images[].sha256", "SHA-256 of the file."),
            .integer("images[].bytes", "Its size."),
            .time("images[].received", "When it was archived."),
            .string("images[].source", "Where it came from."),
            .word("images[].flags[]", ImageFlag.self, "What is unusual about the file."),
            .string(
                "images[].attributes.KEYWORD", "Attributes by keyword; those that have a value."),
            .integer("images[].copies[].ordinal", "A volume that has a copy."),
            .time("images[].copies[].verified", "When that was last read and found good."),
            .string("images[].paths[]", "Its paths; absolute while the archive is mounted."),
            .string(
                "images[].same_data_set_as[]",
                """
                With the flag same_data_set: SHA-256 of the earlier images, one of which has the \
                same data set.
                """
            ),
        ])
}

/// What `pacsfs views try --json` prints.
struct ViewTryDocument: JSONDocument {
    struct Image: Encodable {
        var image: String
        @Nullable var path: String?
    }

    var images: [Image]

    static let format = DocumentFormat(
        "pacsfs views try",
        [
            .string("images[].image", "An image: a path or a SHA-256."),
            .string(
                "images[].path", orNull: true,
                "Its path in such a view; null when the view leaves it out."),
        ])
}
