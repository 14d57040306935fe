import Archive

extension ScrubReport: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs scrub",
        [
            .integer("volumes[].ordinal", "The volume's number."),
            .string("volumes[].path", "Its directory."),
            .integer("volumes[].files", "Images that were read, good or not."),
            .integer("volumes[].bytes", "Bytes of these."),
            .integer(
                "volumes[].bad", "Copies that were missing, truncated, changed or unreadable."),
            .integer("volumes[].healed", "How many of them are good again."),
            .integer("volumes[].adopted", "Good copies without a record, which have one now."),
            .boolean("volumes[].complete", "Whether the whole volume was read."),
            .string("volumes[].problem", orNull: true, "Why it was not."),
            .string("unhealed[]", "SHA-256 of images with a copy that could not be healed."),
            .string("lost[]", "SHA-256 of those without any good copy."),
            .string("strays[].file", "A file that does not belong there."),
            .string("strays[].reason", "Why not."),
            .integer("stray_count", "How many there are; strays lists up to 10,000."),
        ])
}

extension VerificationReport: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs verify",
        [
            .string(
                "archive", orNull: true,
                "Identifier of the archive; null when its volumes do not tell it."),
            .boolean(
                "noted_head_found", orNull: true,
                "Whether the head given with --head is in the chain; null without one."),
            .integer("records", "Records of the longest ledger that fits together."),
            .string("head", "SHA-256 of the last of them."),
            .string("volumes[].path", "The volume's directory."),
            .integer("volumes[].ordinal", orNull: true, "Its number; null when it does not tell."),
            .integer("volumes[].records", "Records of its ledger that are good."),
            .string("volumes[].head", "SHA-256 of the last of them."),
            .integer("volumes[].good_blobs", "Images whose bytes are what their names say."),
            .integer("volumes[].good_bytes", "Bytes of these."),
            .word(
                "findings[].severity", VerificationReport.Finding.Severity.self,
                "Whether it is damage or tampering, wants attention, or is of a newer pacsfs."),
            .string("findings[].volume", orNull: true, "The directory of the volume it is on."),
            .string("findings[].file", orNull: true, "The file it is in."),
            .integer("findings[].line", orNull: true, "The line of that file, from 1."),
            .integer("findings[].record", orNull: true, "The number of the record."),
            .string("findings[].reason", "What does not fit."),
            .integer("faults", "How many faults there are; findings lists up to 10,000."),
            .integer("attentions", "How many things want attention; listed likewise."),
            .integer(
                "newer",
                "How many things a newer pacsfs wrote, so that images were not looked at; listed "
                    + "likewise."),
        ])
}

extension RebuildSummary: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs rebuild",
        [
            .integer("records", "Records that were read, or written with --from-blobs."),
            .integer("images", "Images that are in the index now."),
            .number("seconds", "How long it took."),
            .integer("damaged_copies", "With --from-blobs: copies that are damaged."),
            .string("left_out[]", "With --from-blobs: SHA-256 of what is no image or not good."),
        ])
}

extension RestoreSummary: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs init --from",
        [
            .string("archive", "The directory of the archive."),
            .integer("volumes[].ordinal", "The volume's number."),
            .string("volumes[].path", "Its directory."),
            .word("volumes[].state", VolumeCondition.self, "How it is: online or absent."),
            .boolean("volumes[].is_new", "Whether it was made by this command."),
            .integer("images", "Images that are in the archive again."),
            .integer("offline_only", "Images whose copies are all on absent volumes."),
            .string("examples[]", "Paths of up to 20 of these."),
            .string("list", orNull: true, "A file that lists them all; null when none lacks."),
            .boolean(
                "needs_rebuild_from_blobs",
                "Whether no volume has a usable ledger: pacsfs rebuild --from-blobs comes next."),
            .string(
                "copies_problem", orNull: true,
                "Why new images will have fewer copies than are wanted."),
        ])
}

extension RestoreReport: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs restore",
        [
            .string("directory", "The directory of the archive, or the folder of --into."),
            .integer("restored", "Images that this run has brought back."),
            .integer("bytes", "Bytes of these."),
            .integer("present", "Images that were there already."),
            .integer("rejected", "Rejected files that this run has brought back."),
            .integer(
                "older_versions",
                "Images that were changed or deleted at the source, and came from older versions."),
            .integer("lacking", "Images that the source does not have, or not with their bytes."),
            .string("examples[]", "Paths of up to 20 of these, and what is wrong."),
            .string("list", orNull: true, "A file that lists them all; null when none lacks."),
            .boolean("is_complete", "Whether everything was looked at; false if interrupted."),
            .number("seconds", "How long it took."),
            .string(
                "copies_problem", orNull: true,
                "Why new images will have fewer copies than are wanted."),
        ])
}
