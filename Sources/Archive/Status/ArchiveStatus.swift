import Storage

/// The state of an archive, as `pacsfs status --json` prints it.
public struct ArchiveStatus: Codable, Sendable {
    public struct Copies: Codable, Sendable {
        /// How many copies of each image are wanted.
        public var wanted: Int
        /// How many there must be before a file counts as safe.
        public var minimum: Int
        /// How many images have fewer than are wanted.
        public var underReplicated: Int64
        /// How many of them have only one.
        public var single: Int64
        /// How many images have no good copy on any volume.
        public var lost: Int64
        /// SHA-256 of up to a hundred of those.
        public var lostImages: [String]
        /// How many images have copies, but none on a volume that is here.
        public var offlineOnly: Int64 = 0
        /// How many images one disk that fails now would cost: all their copies within reach are
        /// on it.
        public var oneDisk: Int64 = 0
        /// How many images are on fewer disks within reach than copies are wanted.
        public var fewDisks: Int64 = 0
    }

    public struct Volume: Codable, Sendable {
        /// Its number in the archive, from 1; `nil` while it is not known.
        @Nullable public var ordinal: Int?
        /// Its UUID; `nil` while it is not known.
        @Nullable public var id: String?
        /// The directory it is in.
        public var path: String
        /// Its failure domain.
        public var domain: String
        public var state: VolumeCondition
        /// Why it is not online.
        @Nullable public var problem: String?
        /// How many images it holds.
        public var blobs: Int64
        /// Bytes that new files can take; its reserve is taken off.
        public var free: Int64
        /// The size of its disk in bytes; 0 when it is absent.
        public var total: Int64
        /// The disk it lies on; `nil` when it is absent, or nobody can tell. Volumes on one disk
        /// have the same.
        @Nullable public var disk: String? = nil
        /// Bad copies that were found since it was last read whole without any.
        public var errors: Int64
        /// Since when every copy on it has been read; `nil` when not all have been.
        @Nullable public var scrubbed: Timestamp?
        /// Whether the ledger has it and `pacsfs.toml` has not.
        var isUnlisted = false
        /// Whether its disk does not answer.
        var isHung = false
        /// Whether it is there, and not used because others can change it.
        var isRefused = false
        /// Why others can change it, while it is in use.
        var exposure: String?

        enum CodingKeys: String, CodingKey {
            case ordinal, id, path, domain, state, problem, blobs, free, total, disk, errors
            case scrubbed
        }
    }

    /// How long the free space will last.
    public struct FreeSpace: Codable, Sendable {
        /// Bytes of images that can still be archived, with as many copies as are wanted.
        public var bytes: Int64
        /// Bytes that were archived per day, over the last 30 days; 0 when there were none.
        public var bytesPerDay: Int64
        /// Days that it will last; `nil` when nothing was archived, and in the first week.
        @Nullable public var daysLeft: Int64?
    }

    public struct Incoming: Codable, Sendable {
        /// Files that are neither archived nor rejected yet.
        public var pending: Int
        /// Zip archives that are being unpacked, and those that wait for it.
        public var unpacking: [Zip] = []
        /// How many of them have waited for a while, and are on fewer volumes than images are to
        /// be.
        public var underReplicated: Int = 0

        public struct Zip: Codable, Sendable {
            /// Where it comes from.
            public var path: String
            /// How many of its files have been dealt with; 0 while it waits.
            public var done: Int
            /// How many files it has; `nil` while it waits.
            @Nullable public var files: Int?

            init(_ unpacking: Unpacking) {
                let progress = unpacking.progress
                self.init(
                    path: unpacking.source, done: progress?.done ?? 0, files: progress?.files)
            }

            init(path: String, done: Int, files: Int?) {
                (self.path, self.done, self.files) = (path, done, files)
            }
        }
    }

    /// What was archived lately.
    public struct Intake: Codable, Sendable {
        /// One modality on one day.
        public struct Day: Codable, Sendable {
            /// UTC: `2026-11-28`.
            public var date: String
            /// Empty when the images have none.
            public var modality: String
            public var images: Int64
            public var bytes: Int64
        }

        /// One modality since the beginning.
        public struct Modality: Codable, Sendable {
            /// Empty when the images have none.
            public var modality: String
            public var images: Int64
            public var bytes: Int64
        }

        /// Of the last 30 days, today being the last; days without images are left out.
        public var days: [Day] = []
        public var modalities: [Modality] = []
        /// When the last image was archived; `nil` when there is none.
        @Nullable public var last: Timestamp? = nil
        /// What has sent nothing for longer than usual, a sentence each.
        public var silent: [String] = []
    }

    /// A volume that is taken home: nothing counts on it.
    public struct Removable: Codable, Sendable {
        public enum State: String, Codable, Sendable, CaseIterable {
            /// It is not here, which is no trouble.
            case absent
            case catchingUp = "catching_up"
            /// It has everything, and may be removed.
            case complete
            /// It is here, and could not get everything.
            case incomplete
        }

        /// Its UUID.
        public var id: String
        /// Where it was last.
        public var path: String
        public var state: State
        /// Why it is incomplete.
        @Nullable public var problem: String?
        /// When it last had everything.
        @Nullable public var complete: Timestamp?
        /// How many files came since.
        public var missing: Int64
        /// Since when every image on it has been read and hashed; `nil` when not all have been.
        @Nullable public var read: Timestamp?
        /// Copies that were found to be bad, and were made anew.
        public var bad: Int64
    }

    /// How far a restore is.
    public struct Restore: Codable, Sendable {
        /// Images that are there, and all.
        public var images: Int64
        public var totalImages: Int64
        /// Bytes of these.
        public var bytes: Int64
        public var totalBytes: Int64
        /// Seconds until everything is there; `nil` while nobody can tell.
        @Nullable public var timeLeftS: Int64?

        init(_ progress: RestoreProgress, timeLeft: Int64?) {
            (images, totalImages) = (progress.images, progress.totalImages)
            (bytes, totalBytes) = (progress.bytes, progress.totalBytes)
            timeLeftS = timeLeft
        }
    }

    /// Where alerts go, and what became of the last one.
    public struct Alerts: Codable, Sendable {
        /// Whether `pacsfs.toml` has an `alert_command`.
        public var isConfigured = false
        /// When an alert was last delivered; `nil` when none was.
        @Nullable public var last: Timestamp? = nil
        /// Why the last one was not; `nil` when it was.
        @Nullable public var problem: String? = nil
        /// When `ping_url` last answered; `nil` when it did not since the start.
        @Nullable public var pinged: Timestamp? = nil
        /// Why the last call failed; `nil` when it did not.
        @Nullable public var pingProblem: String? = nil
    }

    /// The last `pacsfs verify` of all volumes.
    public struct Verification: Codable, Sendable {
        /// When it ended; `nil` when there was none.
        @Nullable public var time: Timestamp? = nil
        /// How many things did not fit.
        public var faults = 0
        /// How many wanted attention.
        public var attentions = 0

        init() {}

        init(_ note: VerificationNote) {
            (time, faults, attentions) = (note.time, note.faults, note.attentions)
        }

        /// What it found, with what to do; `nil` when everything fitted.
        var finding: String? {
            guard faults > 0, let time else { return nil }
            let things = Figures.count(Int64(faults), "thing", "things")
            return """
                On \(time.date), a verification found \(things) that did not fit. Heal what is \
                damaged: pacsfs scrub; then see what is left: pacsfs verify
                """
        }
    }

    public struct Ledger: Codable, Sendable {
        public var records: Int64
        /// SHA-256 of the last record: written down, it proves later that nothing before it
        /// was changed.
        public var head: String
        /// The ordinals of the volumes on which new records are written.
        public var ordinals: [Int]
    }

    /// How images are read through the mount.
    public enum ReadMode: String, Codable, Sendable, CaseIterable {
        /// By the kernel, from the blob itself.
        case passthrough
        /// Through the daemon, into the page cache.
        case cached
    }

    /// The answer to "are we safe?".
    public var health: Health
    /// The archive's directory.
    public var archive: String
    public var instances: Int64
    public var studies: Int64
    public var patients: Int64
    public var blobs: Int64
    public var bytes: Int64
    public var copies: Copies
    public var volumes: [Volume]
    /// `nil` while the archive is not mounted.
    @Nullable public var readMode: ReadMode?
    /// `nil` while the archive is not mounted.
    @Nullable public var mountpoint: String?
    public var incoming: Incoming
    /// How many files were rejected.
    public var rejected: Int64
    /// How many of them are on fewer volumes than images are to be.
    public var rejectedUnderReplicated: Int64 = 0
    /// What was refused to users who had their share, in the last ten minutes.
    public var refusals: [ShareRefusals.Recent] = []
    public var ledger: Ledger
    public var freeSpace: FreeSpace
    /// Bytes that are free on the disk of the archive's directory; `nil` when it does not answer.
    @Nullable public var archiveFree: Int64? = nil
    public var resilver: ResilverProgress
    /// When and why the index was last made anew; `nil` when it never was.
    @Nullable public var indexRebuilt: IndexRebuilt?
    /// An impossible value that a look-up met in the index; `nil` when none did. The next mount
    /// makes the index anew.
    @Nullable public var indexDamage: String?
    /// The views, and how complete those are that are being made.
    public var views: [ViewStatus] = []
    /// Why `pacsfs.toml` was not taken into use when it was read again; `nil` when it was.
    @Nullable public var configurationProblem: String?
    /// Why views cannot be made; `nil` when they can.
    @Nullable public var viewsProblem: String?
    public var intake = Intake()
    public var verification = Verification()
    /// When all this was found out.
    public var time = Timestamp(nanoseconds: 0)
    /// How far a restore is that goes on in the background, or why it does not; `nil` when there is
    /// none.
    @Nullable public var restoring: String?
    /// The same in numbers; `nil` while it does not go on.
    @Nullable public var restore: Restore?
    /// Places away from this machine.
    public var remotes: [Remote] = []
    public var alerts = Alerts()
    /// Volumes that are taken home in turn.
    public var removable: [Removable] = []
    /// The last attempt to restore from each volume and each remote.
    public var drills: [Drill] = []
}
