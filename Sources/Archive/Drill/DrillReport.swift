import Storage

/// What did not fit in a drill.
public enum DrillFault: String, Codable, Sendable, CaseIterable {
    /// It could not be asked: no network, no credentials, no disk.
    case unreachable
    /// There is nothing at all.
    case empty
    /// It is encrypted, and the keys here show nothing of it.
    case keys
    /// It belongs to another archive.
    case foreign
    /// A piece of the ledger is missing.
    case ledgerMissing = "ledger-missing"
    /// A record of the ledger is not as it was written.
    case ledgerChanged = "ledger-changed"
    /// The ledger is whole, and not that of this archive.
    case ledgerForked = "ledger-forked"
    /// It ends before records that were there.
    case rolledBack = "rolled-back"
    /// An object or image is not there.
    case missing
    /// It has fewer bytes.
    case truncated
    /// It has other bytes.
    case changed
    /// It has the bytes of another one.
    case swapped
    /// The listing is not as it was in another way.
    case listing
    /// Something else has the name of an image: a FIFO, a folder, a symbolic link.
    case notAFile = "not-a-file"
    /// The ledger there does not have an image that is there.
    case unlisted
    /// The index that was made from it says something else than that of the archive.
    case index
    /// A path is another one than in the archive.
    case paths
    /// What the ledger says of an image is not what the image says.
    case attributes
    /// The bytes are those that were archived, and of no image the pixels can be decoded.
    case pixels
    /// A rejected file is not there, or not with the bytes that were rejected.
    case rejected
    /// This machine could not do it: no room, no rclone.
    case local
}

/// Whether images could be restored.
public enum DrillResult: String, Codable, Sendable, CaseIterable {
    case passed
    case failed
}

/// What one drill found: images were restored from one source alone. It names nobody: images are
/// named by their digests, so that a report can be shown to a stranger.
public struct DrillReport: Codable, Sendable {
    public struct Failure: Codable, Sendable, Hashable {
        public var kind: DrillFault
        /// An object, the digest of an image, or `ledger`; empty for the source itself.
        public var subject: String
        /// What happened, and what to do.
        public var text: String
    }

    /// An image that was restored, or should have been.
    public struct Sampled: Codable, Sendable {
        public var sha256: String
        public var bytes: Int64
        /// `newest`, `oldest`, `CT 2024`, `random`, `all`.
        public var reason: String
    }

    /// Images whose pixels nobody has decoded, and why.
    public struct Undecoded: Codable, Sendable, Hashable {
        public var reason: String
        public var images: Int64
    }

    /// An image that has the bytes that were archived, and whose pixels cannot be decoded: it was
    /// broken when it came.
    public struct Broken: Codable, Sendable, Hashable {
        public var sha256: String
        /// What DCMTK says.
        public var reason: String
    }

    public struct Ledger: Codable, Sendable {
        /// Records that are there, each hash compared with the one before.
        public var records: Int64 = 0
        /// SHA-256 of the last of these; empty when it could not be read.
        public var head: String = ""
        /// How many should be there at least.
        public var expected: Int64 = 0
    }

    public var format = 1
    /// The archive's id.
    public var archive: String
    /// `volume 2`, `remote b2`.
    public var source: String
    public var result = DrillResult.failed
    public var begun: Timestamp
    public var ended: Timestamp
    /// Whether everything was restored, and not a sample.
    public var isFull: Bool
    /// What the random part of the sample was chosen with.
    public var seed: UInt32
    public var ledger = Ledger()
    /// Images that should be there, and their bytes.
    public var images: Int64 = 0
    public var bytes: Int64 = 0
    /// Images that a listing shows.
    public var listed: Int64 = 0
    /// Images in objects whose hash, as the server says it, is the right one.
    public var hashSeen: Int64 = 0
    /// Images that were brought to this machine, hashed, and compared in bytes, attributes, paths.
    public var restored: Int64 = 0
    public var restoredBytes: Int64 = 0
    /// Images of these whose pixels DCMTK has decoded.
    public var decoded: Int64 = 0
    public var undecoded: [Undecoded] = []
    /// Images that were broken when they came, which is no fault of the source.
    public var broken: [Broken] = []
    /// Rejected files that were brought to this machine, and have the bytes that were rejected.
    public var rejected: Int64 = 0
    /// Images of the sample that were left out: more would have come than a drill may fetch.
    public var leftOut: Int64 = 0
    /// Bytes a second that came from the source; 0 when nothing did.
    public var rate: Int64 = 0
    /// Seconds that everything would take at that rate; `nil` when nobody can tell.
    @Nullable public var fullRestoreS: Int64?
    /// What this machine's own keys can destroy there, tried now; `nil` for a volume.
    @Nullable public var wipeTest: ArchiveStatus.Remote.WipeTest?
    /// The first of what did not fit.
    public var failures: [Failure] = []
    /// How many things did not fit.
    public var failureCount: Int64 = 0
    /// What was restored; of a whole archive, the first thousand.
    public var sample: [Sampled] = []
    /// The public key that the report is signed with: 32 bytes in base64.
    public var publicKey = ""
    /// The rules that it is evidence for.
    public var evidence = Self.rules

    static let rules = [
        "HIPAA 164.308(a)(7)(ii)(A) data backup plan",
        "HIPAA 164.308(a)(7)(ii)(B) disaster recovery plan",
        "HIPAA 164.308(a)(7)(ii)(D) testing and revision procedures",
    ]

    static let mostListed = 1000

    init(_ source: DrillSource, of archive: String, isFull: Bool, seed: UInt32, at time: Timestamp)
    {
        (self.archive, self.source) = (archive, source.key)
        (begun, ended) = (time, time)
        (self.isFull, self.seed) = (isFull, seed)
    }

    mutating func fail(_ kind: DrillFault, _ subject: String, _ text: String) {
        failureCount += 1
        if failures.count < Self.mostListed {
            failures.append(Failure(kind: kind, subject: subject, text: text))
        }
    }

    mutating func note(undecoded reason: String) {
        if let index = undecoded.firstIndex(where: { $0.reason == reason }) {
            undecoded[index].images += 1
        } else {
            undecoded.append(Undecoded(reason: reason, images: 1))
        }
    }

    /// The source.
    var drilled: DrillSource {
        let words = source.split(separator: " ", maxSplits: 1).map(String.init)
        return words[0] == "remote" ? .remote(words[1]) : .volume(Int(words[1]) ?? 0)
    }
}

/// How far a drill is.
public struct DrillProgress: Codable, Sendable {
    /// `volume 2`, `remote b2`.
    public var source: String
    /// Images that were restored, and are to be.
    public var images: Int64 = 0
    public var totalImages: Int64 = 0
    /// Bytes of these.
    public var bytes: Int64 = 0
    public var totalBytes: Int64 = 0
}
