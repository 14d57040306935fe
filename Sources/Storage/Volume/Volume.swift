import Glibc
import Synchronization
import System

/// One volume of an archive: a folder on its own disk with blobs, the ledger, files being written
/// and rejected files.
///
/// ```
/// VOLUME/
///   pacsfs-volume.json             identity: which volume of which archive (written last)
///   README.txt                     how to recover by hand
///   blobs/ab/cd/<sha256>.dcm       originals, mode 0444; abcd are the first digits of the name
///   ledger/<site>/000001.jsonl     the catalogue, see Ledger
///   staging/incoming/              a tree that clients write to, see DESIGN section 4
///   staging/commit/<sha256>.dcm    complete files on their way to blobs/, see Volume+Commit
///   rejected/<date>/<path>         rejected files, each with a .reason.txt
///   rejected/bad-blobs/            blobs that were found damaged, never deleted
///   rejected/torn-ledger/          ends of ledger segments that a crash left unfinished
/// ```
///
/// All access is relative to descriptors that stay open from the moment the volume was opened:
/// when the disk disappears, calls fail, and nothing is written into the empty mount point below.
/// Any thread may use a volume at any time.
public final class Volume: Sendable {
    /// Which volume of which archive this is.
    public let identity: VolumeIdentity
    /// Where it was when it was opened.
    public let path: String
    /// Bytes that ``stageCopy(from:as:bytes:checking:)`` leaves free, so that the ledger can grow
    /// and work in progress can be finished when the disk is full.
    public let reserve: Int64

    let root: Directory
    let blobs: Directory
    let ledger: Directory
    let incoming: Directory
    let committing: Directory
    let rejected: Directory
    let blobFolders = Lock(BlobFolders())
    /// Folders below `rejected`, by their path in it, that this process knows to be durable.
    let rejectedFolders = Lock<Set<String>>([])
    /// Staged files whose bytes a sync could not write, or may have failed to.
    let distrusted = Lock<Set<Digest>>([])
    private let lacksHardLinks = Atomic(false)

    /// Whether the file system has hard links, as far as is known.
    var hasHardLinks: Bool { !lacksHardLinks.load(ordering: .relaxed) }

    /// Remembers that it has none.
    func setNoHardLinks() { lacksHardLinks.store(true, ordering: .relaxed) }

    /// The descriptor of `staging/incoming`, for a layer that works in this tree by itself;
    /// valid as long as the volume lives.
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

    /// The mount decides who may see images; the disk must not offer a way around that.
    static let closedMode: mode_t = 0o700

    init(
        root: consuming Directory, identity: VolumeIdentity, reserve: Int64?
    ) throws(StorageError) {
        let staging = try root.openOrMakeDirectory(Name.staging, mode: Self.closedMode)
        incoming = try staging.openOrMakeDirectory(Name.incoming)
        committing = try staging.openOrMakeDirectory(Name.commit)
        rejected = try root.openOrMakeDirectory(Name.rejected, mode: Self.closedMode)
        blobs = try root.openDirectory(Name.blobs)
        ledger = try root.openDirectory(Name.ledger)
        self.identity = identity
        path = root.path
        if let reserve {
            self.reserve = reserve
        } else {
            self.reserve = Self.defaultReserve(ofTotal: try Self.space(of: root).total)
        }
        self.root = root
    }

    deinit { release() }

    /// The bytes to keep free on a disk of `total` bytes: a hundredth, at least 8 MiB and at
    /// most 1 GiB.
    public static func defaultReserve(ofTotal total: Int64) -> Int64 {
        min(max(total / 100, 8 << 20), 1 << 30)
    }

    /// The size of a file system.
    public struct Space: Hashable, Sendable {
        /// Bytes it has.
        public var total: Int64
        /// Bytes that this process can still write, the reserve not taken off.
        public var available: Int64
        /// Whether it is mounted read-only.
        public var isReadOnly: Bool
    }

    /// How large the volume's disk is and how much room it has.
    ///
    /// - Throws: `io` when the disk does not answer.
    public func space() throws(StorageError) -> Space { try Self.space(of: root) }

    /// Bytes for new files: the available bytes less the reserve, never negative.
    public func room() throws(StorageError) -> Int64 { room(in: try space()) }

    /// The same, of a space that was just asked for.
    public func room(in space: Space) -> Int64 { max(0, space.available - reserve) }

    /// See: 'man 3 fstatvfs'
    private static func space(of root: borrowing Directory) throws(StorageError) -> Space {
        var status = statvfs()
        try call({ .space($0, root.path) }) { fstatvfs(root.number, &status) }
        let block = Int64(status.f_frsize)
        return Space(
            total: Int64(clamping: status.f_blocks) * block,
            available: Int64(clamping: status.f_bavail) * block,
            isReadOnly: status.f_flag & UInt(ST_RDONLY) != 0)
    }
}

/// The folders to make durable besides the folder of a blob. A folder below `blobs` that existed at
/// the first commit of this process was made durable then, with everything else. The parents of
/// folders made since then must be made durable once.
struct BlobFolders: Sendable {
    /// Whether everything that was there when this process began is durable.
    var oldOnesAreDurable = false
    /// Folders that this process made, by four digits, while their parents are not durable.
    var fresh: Set<UInt16> = []
}
