import Archive

extension ArchiveStatus: JSONDocument {
    static let format = DocumentFormat(
        "pacsfs status",
        [
            .string("archive", "The directory of the archive."),
            .word("health.level", Health.Level.self, "Whether the images are safe."),
            .string("health.headline", "The first line of pacsfs status."),
            .string("health.reasons[]", "What is not well and what to do, the worst first."),
            .integer("instances", "Images in the archive; of several versions of one, the first."),
            .integer("studies", "Studies they belong to."),
            .integer("patients", "Patients they belong to."),
            .integer("blobs", "Files that the archive keeps; one for each version of an image."),
            .integer("bytes", "Bytes of all images, each counted once."),
            .integer("copies.wanted", "Copies that each image should have (copies)."),
            .integer("copies.minimum", "Copies from which on a file is safe (min_copies)."),
            .integer("copies.under_replicated", "Images with fewer copies than are wanted."),
            .integer("copies.single", "Of these, images with one copy only."),
            .integer("copies.lost", "Images without any good copy."),
            .string("copies.lost_images[]", "SHA-256 of up to a hundred of those."),
            .integer("copies.offline_only", "Images whose copies are all on absent volumes."),
            .integer("copies.one_disk", "Images that would be lost if one disk failed now."),
            .integer(
                "copies.few_disks", "Images on fewer disks within reach than copies are wanted."),
        ] + ArchiveStatus.Volume.fields.map { $0.inside("volumes[]") } + [
            .word(
                "read_mode", ArchiveStatus.ReadMode.self, orNull: true,
                "How images are read; null while the archive is not mounted."),
            .string("mountpoint", orNull: true, "Where the archive is mounted; null if it is not."),
            .integer(
                "incoming.pending", "Files in incoming that are neither archived nor rejected."),
            .string("incoming.unpacking[].path", "A zip archive that is or will be unpacked."),
            .integer("incoming.unpacking[].done", "How many of its files are done."),
            .integer(
                "incoming.unpacking[].files", orNull: true,
                "How many files it has; null while it waits."),
            .integer(
                "incoming.under_replicated",
                "Of these, files that have waited for a while, with fewer copies than are wanted."),
            .integer("rejected", "Files in rejected."),
            .integer("rejected_under_replicated", "Of these, with fewer copies than are wanted."),
            .word(
                "refusals[].resource", ShareRefusals.Resource.self,
                "Of what a user wanted more than a share, in the last ten minutes."),
            .integer("refusals[].user", "The uid of the user who was refused last."),
            .integer("refusals[].count", "How often that was."),
            .time("refusals[].last", "When it was last."),
            .integer("ledger.records", "Records of the ledger."),
            .string("ledger.head", "SHA-256 of the last record, for pacsfs verify --head."),
            .integer("ledger.ordinals[]", "Volumes on which new records are written."),
            .integer("free_space.bytes", "Bytes of images that still fit, with all their copies."),
            .integer("free_space.bytes_per_day", "Bytes archived per day, over the last 30 days."),
            .integer(
                "free_space.days_left", orNull: true,
                "Days until it is used up; null when nobody can tell yet."),
            .integer(
                "archive_free", orNull: true,
                "Bytes free on the disk of the archive's directory; null if it does not answer."),
            .boolean("resilver.is_running", "Whether missing copies are being made."),
            .integer("resilver.copies", "Copies made since that began."),
            .integer("resilver.bytes", "Bytes of these."),
            .integer("resilver.skipped", "Images that still lack a copy and could not get it."),
            .object(
                "index_rebuilt", orNull: true, "The last time the index was made anew."),
            .time("index_rebuilt.time", "When that was."),
            .string("index_rebuilt.reason", "Why."),
            .string(
                "index_damage", orNull: true,
                "Damage that was met in the index; the next mount makes it anew."),
        ] + ViewStatus.fields.map { $0.inside("views[]") } + [
            .string(
                "configuration_problem", orNull: true,
                "Why the changed pacsfs.toml is not in use."),
            .string("views_problem", orNull: true, "Why a view cannot be made."),
            .string(
                "restoring", orNull: true,
                "How far a restore is that goes on by itself, or why it does not."),
            .object(
                "restore", orNull: true,
                "The same in numbers; null while nothing is being restored."),
            .integer("restore.images", "Images that are there."),
            .integer("restore.total_images", "Images that there will be."),
            .integer("restore.bytes", "Bytes of those that are there."),
            .integer("restore.total_bytes", "Bytes of all of them."),
            .integer(
                "restore.time_left_s", orNull: true,
                "Seconds until everything is there; null while nobody can tell."),
            .string("intake.days[].date", "One of the last 30 days with new images, in UTC."),
            .string("intake.days[].modality", "A modality; empty for images without."),
            .integer("intake.days[].images", "Its images that were archived on that day."),
            .integer("intake.days[].bytes", "Bytes of these."),
            .string("intake.modalities[].modality", "A modality; empty for images without."),
            .integer("intake.modalities[].images", "All its images, with all their versions."),
            .integer("intake.modalities[].bytes", "Bytes of these."),
            .time("intake.last", orNull: true, "When the last image was archived."),
            .string(
                "intake.silent[]", "What has sent nothing for longer than usual, a sentence each."),
            .time(
                "verification.time", orNull: true,
                "When the last pacsfs verify of all volumes ended."),
            .integer("verification.faults", "Things that did not fit."),
            .integer("verification.attentions", "Things that wanted attention."),
            .time("time", "When all this was found out."),
            .boolean("alerts.is_configured", "Whether pacsfs.toml has an alert_command."),
            .time("alerts.last", orNull: true, "When an alert was last delivered."),
            .string("alerts.problem", orNull: true, "Why the last one was not."),
            .time("alerts.pinged", orNull: true, "When ping_url last answered."),
            .string("alerts.ping_problem", orNull: true, "Why the last call of it failed."),
        ] + ArchiveStatus.Removable.fields.map { $0.inside("removable[]") }
            + ArchiveStatus.Remote.fields.map { $0.inside("remotes[]") }
            + ArchiveStatus.Drill.fields.map { $0.inside("drills[]") })
}

extension ArchiveStatus.Removable {
    static let fields: [DocumentField] = [
        .string("id", "The identifier of a volume that is taken home in turn."),
        .string("path", "Where it was last."),
        .word("state", State.self, "How it is."),
        .string("problem", orNull: true, "Why it is incomplete."),
        .time("complete", orNull: true, "When it last had everything."),
        .integer("missing", "Images that came since."),
        .time(
            "read", orNull: true, "Since when every image on it was read; null if not all were."),
        .integer("bad", "Copies on it that were found to be bad, and were made anew."),
    ]
}

extension ArchiveStatus.Remote {
    static let fields: [DocumentField] = [
        .string("name", "The name of a remote, a place away from this machine."),
        .word("state", RemoteActivity.self, "What is being done for it."),
        .string(
            "reason", orNull: true,
            "Why it pauses or is blocked, or what could not be brought there."),
        .boolean("encrypted", "Whether everything there is encrypted."),
        .string(
            "hash", orNull: true,
            "The kind of hash that its server keeps; null when only sizes can be compared."),
        .integer("images", "Images that are there, all versions counted."),
        .integer("images_waiting", "Images that are not there yet."),
        .integer("bytes_waiting", "Bytes of these."),
        .integer(
            "oldest_waiting_s", orNull: true,
            "Seconds since the first of them was archived; null when there are none."),
        .integer(
            "time_left_s", orNull: true,
            "Seconds until they are there; null while nobody can tell."),
        .time("last_push", orNull: true, "When something was last brought there."),
        .time("last_check", orNull: true, "When it was last compared with its listing."),
        .integer("faults", "Objects there that are not as they should be."),
        .integer("rolled_back", "How many of the newest objects are gone together."),
        .time(
            "oldest_proof", orNull: true,
            "Since when every object was read whole, or sent and compared."),
        .boolean("proof_overdue", "Whether that is longer ago than it should be (check_days)."),
        .object("wipe_test", orNull: true, "The last attempt to destroy something there."),
        .word(
            "wipe_test.result", WipeVerdict.self, "What this machine's keys can destroy there."),
        .time("wipe_test.at", "When that was."),
        .time("added", "Since when it is used."),
    ]
}

/// What `pacsfs offsite list --json` prints.
struct RemoteListDocument: JSONDocument {
    var remotes: [ArchiveStatus.Remote]

    static let format = DocumentFormat(
        "pacsfs offsite list", ArchiveStatus.Remote.fields.map { $0.inside("remotes[]") })
}

extension ArchiveStatus.Volume {
    static let fields: [DocumentField] = [
        .integer("ordinal", orNull: true, "The volume's number, from 1; null when unknown."),
        .string("id", orNull: true, "Its identifier; null when unknown."),
        .string("path", "Its directory."),
        .string("domain", "What fails together with it."),
        .word("state", VolumeCondition.self, "How it is."),
        .string("problem", orNull: true, "What is wrong with it, and what to do."),
        .integer("blobs", "Images it holds."),
        .integer("free", "Bytes that new files can take."),
        .integer("total", "Size of its file system in bytes; 0 when it is absent."),
        .string("disk", orNull: true, "The disk it lies on; null when it is absent."),
        .integer("errors", "Bad copies found since it was last read without any."),
        .time("scrubbed", orNull: true, "Since when every copy has been read; null if not all."),
    ]
}

/// What `pacsfs volume list --json` prints.
struct VolumeListDocument: JSONDocument {
    var volumes: [ArchiveStatus.Volume]
    var removable: [ArchiveStatus.Removable]

    static let format = DocumentFormat(
        "pacsfs volume list",
        ArchiveStatus.Volume.fields.map { $0.inside("volumes[]") }
            + ArchiveStatus.Removable.fields.map { $0.inside("removable[]") })
}

extension ViewStatus {
    static let fields: [DocumentField] = [
        .string("name", "The view's name, a folder of the mount."),
        .string("template", "Its template."),
        .word("state", ViewStatus.State.self, "Whether it is shown, being made, or was dropped."),
        .integer("folders", "Folders on its first level."),
        .integer("series", "Series that are in it."),
        .integer("total_series", "Series that will be in it."),
    ]
}

/// What `pacsfs views --json` prints.
struct ViewListDocument: JSONDocument {
    var views: [ViewStatus]

    static let format = DocumentFormat(
        "pacsfs views", ViewStatus.fields.map { $0.inside("views[]") })
}

/// What `pacsfs reload --json` prints.
struct ReloadDocument: JSONDocument {
    /// Whether a daemon read the file, and not this command alone.
    var isMounted: Bool
    var changed: [String] = []
    var waiting: [String] = []
    var notes: [String]
    var views: [ViewStatus] = []

    static let format = DocumentFormat(
        "pacsfs reload",
        [
            .boolean("is_mounted", "Whether a daemon has read the file; else it was only checked."),
            .string("changed[]", "Settings that were changed, and are in use now."),
            .string("waiting[]", "Settings that were changed, and need a restart."),
            .string("notes[]", "What wants attention in the volumes that the file names."),
        ] + ViewStatus.fields.map { $0.inside("views[]") })
}

/// What `pacsfs doctor --json` prints.
struct DoctorDocument: JSONDocument {
    var level: Finding.Level
    var findings: [Finding]

    static let format = DocumentFormat(
        "pacsfs doctor",
        [
            .word("level", Finding.Level.self, "The worst level of all findings."),
            .word("findings[].level", Finding.Level.self, "How it is."),
            .string("findings[].subject", "What was looked at."),
            .string("findings[].text", "What was found, and what to do."),
        ])
}

/// What `pacsfs offsite check --json` prints.
struct RemoteCheckDocument: JSONDocument {
    var remotes: [RemoteCheckReport]

    static let format = DocumentFormat(
        "pacsfs offsite check",
        [
            .string("remotes[].name", "The remote's name."),
            .integer("remotes[].objects", "Objects that the ledger says are there."),
            .integer("remotes[].good_by_hash", "Those whose size and hash are as recorded."),
            .integer(
                "remotes[].good_by_size",
                "Those whose size is as recorded, where the server keeps no hash."),
            .integer(
                "remotes[].good_by_fetch", "Those that were fetched and have the right bytes."),
            .string("remotes[].faults[].object", "An object that is not as it should be."),
            .word("remotes[].faults[].fault", ObjectFault.self, "What is wrong with it."),
            .integer("remotes[].hidden", "How many of these the server keeps as older versions."),
            .integer("remotes[].rolled_back", "How many of the newest are gone together."),
            .integer("remotes[].unknown", "Objects that nobody has recorded."),
            .string("remotes[].unknown_objects[]", "Names of up to a thousand of those."),
        ])
}
