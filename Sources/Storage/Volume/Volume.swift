import Glibc
import Synchronization
import System

/// One volume of an archive: a folder on its own disk with blobs, the ledger, files that are being
/// written, and rejected files.
///
/// ```
/// VOLUME/
///   pacsfs-volume.json             identity: which volume of which archive (written last)
///   README.txt                     how to recover by hand
///   blobs/ab/cd/<sha256>.dcm       originals, mode 0444; abcd are the first digits of the name
///   ledger/<site>/000001.jsonl     the catalogue, see Ledger
///   staging/incoming/              a tree that clients write to, see DESIGN section 4
///   staging/commit/<sha256>.dcm    complete files on their way to blobs/, see Volume+Commit
///   rejected/<date>/<path>         rejected files, see RejectedFolder
///   rejected/bad-blobs/            blobs that were found damaged, never deleted
///   rejected/torn-ledger/          ends of ledger segments that a crash left unfinished
/// ```
///
/// All access is relative to descriptors that stay open from the moment the volume was opened:
/// when the disk goes, calls fail, and nothing is written into the empty mount point.
/// Any thread may use a volume at any time.
public final class Volume: Sendable {
    /// Which volume of which archive this is.
    public let identity: VolumeIdentity
    /// Its path when it was opened.
    public let path: String
    /// Bytes that ``stageCopy(from:as:bytes:checking:)`` leaves free, so that the ledger can grow
    /// and work in progress can be finished when the disk is full.
    public let reserve: Int64
    /// The disk it lies on; `nil` when that could not be found out.
    public let disk: PhysicalDisk?

    /// The calls on its disk; `nil` when nobody watches whether it answers.
    public let calls: DiskCalls?

    let root: Directory
    let blobs: Directory
    let ledger: Directory
    let incoming: Directory
    let committing: Directory
    /// The folder of rejected files.
    public let rejected: RejectedFolder
    let blobFolders = Lock(BlobFolders())
    /// Staged files whose bytes a sync could not write, or may have failed to.
    let distrusted = Lock<Set<Digest>>([])
    private let lacksHardLinks = Atomic(false)

    /// Whether the file system has hard links, as far as is known.
    public var hasHardLinks: Bool { !lacksHardLinks.load(ordering: .relaxed) }

    /// Remembers that it has none.
    func setNoHardLinks() { lacksHardLinks.store(true, ordering: .relaxed) }

    /// The descriptor of `staging/incoming`, whose tree belongs to the layer above; valid as long
    /// as the volume lives.
    public var incomingDescriptor: Int32 { incoming.number }

    enum Name {
        static let identity = "pacsfs-volume.json"
        static let blobs = "blobs"
        static let ledger = "ledger"
        static let staging = "staging"
        static let incoming = "incoming"
        static let commit = "commit"
        static let rejected = "rejected"
        static let badBlobs = "bad-blobs"
        static let tornLedger = "torn-ledger"
        static let layout: Set = [blobs, ledger, staging, rejected]
    }

    /// The mount decides who may see images; the disk must not be a way around that.
    static let closedMode: mode_t = 0o700

    init(
        root: consuming Directory, identity: VolumeIdentity, reserve wanted: Int64?,
        calls: DiskCalls? = nil
    ) throws(StorageError) {
        self.calls = calls
        let staging = try root.openOrMakeDirectory(Name.staging, mode: Self.closedMode)
        incoming = try staging.openOrMakeDirectory(Name.incoming)
        committing = try staging.openOrMakeDirectory(Name.commit)
        blobs = try root.openDirectory(Name.blobs)
        ledger = try root.openDirectory(Name.ledger)
        self.identity = identity
        path = root.path
        disk = PhysicalDisk(root.path)
        let reserve: Int64 =
            if let wanted { wanted } else {
                Self.defaultReserve(ofTotal: try FileSystemSpace.of(root).total)
            }
        self.reserve = reserve
        rejected = try RejectedFolder(
            root.openOrMakeDirectory(Name.rejected, mode: Self.closedMode), staging: committing,
            reserve: reserve, disk: calls)
        self.root = root
    }

    deinit { release() }

    /// The bytes to keep free on a disk of `total` bytes: a hundredth, at least 8 MiB and at
    /// most 1 GiB.
    public static func defaultReserve(ofTotal total: Int64) -> Int64 {
        min(max(total / 100, 8 << 20), 1 << 30)
    }

    /// The size of the volume's disk and its free space.
    ///
    /// - Throws: `io` when the disk does not answer.
    public func space() throws(StorageError) -> FileSystemSpace {
        try onDisk { [self] () throws(StorageError) in try FileSystemSpace.of(root) }
    }

    /// Bytes that new files can take: the available ones without the reserve, never negative.
    ///
    /// - Throws: `io` when the disk does not answer.
    public func freeSpace() throws(StorageError) -> Int64 { freeSpace(in: try space()) }

    /// The same, of a space that was just asked for.
    public func freeSpace(in space: FileSystemSpace) -> Int64 { max(0, space.available - reserve) }

    /// Refuses a file for which there is no space above the reserve.
    ///
    /// - Throws: `noSpace` or `readOnly`.
    public func requireSpace(for bytes: Int64) throws(StorageError) {
        try space().require(bytes, above: reserve, path: path)
    }
}

/// The folders that have to be made durable besides the one a blob is in. A folder below `blobs`
/// that was there at the first commit of this process became durable with everything else then;
/// for those made since, the parents need a sync too, once.
struct BlobFolders: Sendable {
    /// Whether everything that was there when this process began is durable.
    var oldOnesAreDurable = false
    /// Folders `ab/cd` that this process made, while their names are not durable.
    var fresh: Set<UInt16> = []
    /// The same of the folders `ab`.
    var freshOuter: Set<UInt8> = []
}
