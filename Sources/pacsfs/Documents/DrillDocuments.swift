import Archive

/// What `pacsfs drill --json` prints.
struct DrillReportsDocument: JSONDocument {
    var reports: [DrillReport]

    static let format = DocumentFormat(
        "pacsfs drill", DrillReport.fields.map { $0.inside("reports[]") })
}

extension DrillReport {
    static let fields: [DocumentField] = [
        .integer("format", "1."),
        .string("archive", "Identifier of the archive."),
        .string("source", "What was restored from: \"volume 2\", \"remote b2\"."),
        .word("result", DrillResult.self, "Whether everything fitted."),
        .time("begun", "When it began."),
        .time("ended", "When it ended."),
        .boolean("is_full", "Whether everything was restored, and not a sample."),
        .integer("seed", "What the random part of the sample was chosen with."),
        .integer("ledger.records", "Records that are there, every hash compared."),
        .string("ledger.head", "SHA-256 of the last of them; empty when it cannot be believed."),
        .integer("ledger.expected", "How many should be there at least."),
        .integer("images", "Images that should be there."),
        .integer("bytes", "Bytes of these."),
        .integer("listed", "Images that a listing shows."),
        .integer("hash_seen", "Images in objects whose hash, as the server says it, is right."),
        .integer("restored", "Images that were brought here, hashed and compared."),
        .integer("restored_bytes", "Bytes of these."),
        .integer("decoded", "Of these, images whose pixels DCMTK has decoded."),
        .string("undecoded[].reason", "Why the pixels of others were not decoded."),
        .integer("undecoded[].images", "How many these are."),
        .string(
            "broken[].sha256", "An image that was broken when it came; no fault of the source."),
        .string("broken[].reason", "What DCMTK says of its pixels."),
        .integer("rejected", "Rejected files that were brought here, hashed and compared."),
        .integer("left_out", "Images of the sample that a drill may not fetch any more."),
        .integer("rate", "Bytes a second that came from the source; 0 when none did."),
        .integer(
            "full_restore_s", orNull: true,
            "Seconds that everything would take at that rate; null when nobody can tell."),
        .object("wipe_test", orNull: true, "The attempt to destroy something there."),
        .word("wipe_test.result", ArchiveStatus.Remote.WipeVerdict.self, "What came out."),
        .time("wipe_test.at", "When that was."),
        .word("failures[].kind", DrillFault.self, "What did not fit."),
        .string(
            "failures[].subject",
            "An object, the SHA-256 of an image, or \"ledger\"; empty for the source itself."),
        .string("failures[].text", "What happened, and what to do."),
        .integer("failure_count", "How many there are; failures lists up to 1,000."),
        .string("sample[].sha256", "An image that was to be restored; up to 1,000 are listed."),
        .integer("sample[].bytes", "Its size."),
        .string("sample[].reason", "Why: newest, oldest, modality and year, random, all."),
        .string("public_key", "The key that the report in ARCHIVE/drills is signed with: base64."),
        .string("evidence[]", "Rules that it is evidence for."),
    ]
}

extension ArchiveStatus.Drill {
    static let fields: [DocumentField] = [
        .string("source", "What images can be restored from: \"volume 2\", \"remote b2\"."),
        .string("place", orNull: true, "Of a disk that is taken home: where it was last."),
        .time("last", orNull: true, "When the last drill of it ended; null without one."),
        .word("result", DrillResult.self, orNull: true, "What came out; null without one."),
        .integer("images", "Images that should have been there."),
        .integer("listed", "Of these, those that a listing showed."),
        .integer("hash_seen", "Those whose hash, as the server said it, was right."),
        .integer("restored", "Those that were restored, hashed and compared."),
        .integer("decoded", "Of these, images whose pixels DCMTK decoded."),
        .integer("faults", "How many things did not fit."),
        .string(
            "problem", orNull: true,
            "The first of them, and what to do; null when there is none, or its report is lost."),
        .integer(
            "full_restore_s", orNull: true,
            "Seconds that restoring everything would take; null when nobody can tell."),
        .boolean("overdue", "Whether it should have been repeated before now."),
    ]
}
