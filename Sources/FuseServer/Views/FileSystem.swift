import Archive
import CFuse3
import Glibc
import Naming
import System
import TagIndex

/// The content of the mount: fixed entries, views from the index, and the trees of a volume.
///
/// For the views there is no state: every answer comes from a row of the index, so that FORGET has
/// nothing to do.
final class FileSystem: Sendable {
    let archive: Archive
    /// `/incoming` and `/rejected`.
    let trees: IncomingTrees
    let shares: UserShares
    let negotiation: InitNegotiation
    private let imageFiles = Lock<ImageFiles?>(nil)
    /// Seconds for which the kernel may keep names and attributes of views: ``Invalidator`` tells
    /// it of changes.
    static let timeout = 3600.0
    let permissions: Permissions
    /// When the archive was made, ns since 1970.
    let created: Int64
    /// Requests that wait and may be interrupted.
    let interruptions = Interruptions()
    let passingSearches = PassingSearches()
    /// Prepares entries of full folders before programs ask for them; see ``ReadAhead``.
    let readingAhead = SerialWorker("list ahead")
    let recentAttributes = Lock(RecentAttributes())
    let searchResults: SearchResults
    let documents: StatusDocuments
    /// When searches were last kept or forgotten, ns since 1970.
    let searchesChanged: Lock<Int64>
    /// The uids of those who have kept searches since the start, by `search.id`.
    let searchKeepers = Lock<[Int64: uid_t]>([:])

    /// - Parameter searchLimit: How many studies a search shows.
    init(
        archive: Archive, negotiation: InitNegotiation, permissions: Permissions,
        searchLimit: Int = 1000
    ) {
        self.archive = archive
        self.permissions = permissions
        self.negotiation = negotiation
        shares = UserShares(refusals: archive.refusals)
        trees = IncomingTrees(archive: archive, permissions: permissions, shares: shares)
        created = (try? archive.index.read { try $0.created() }) ?? 0
        documents = StatusDocuments(in: archive.path, clock: archive.clock) {
            try archive.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        searchResults = SearchResults(index: archive.index, limit: searchLimit)
        searchesChanged = Lock(
            (try? archive.index.read { try $0.keptSearches().last?.since }) ?? created)
    }

    /// The open images. Made when the first is opened: how they can be read is known after INIT.
    var images: ImageFiles {
        imageFiles.withLock { files in
            if let files { return files }
            let new = ImageFiles(
                archive: archive,
                backing: negotiation.passthrough ? BackingFiles(device: negotiation.device) : nil,
                lanes: VolumeLanes(limit: ThreadShares.lane, patience: archive.patience),
                unused: DescriptorBudget.current.unusedImages)
            files = new
            return new
        }
    }

    var incoming: IncomingTree { trees.incoming }

    // MARK: Inodes

    /// What an inode number stands for.
    enum Inode {
        case fixed(FixedEntry)
        /// A directory of a view: `node.id`.
        case node(Int64)
        /// `instance.id`.
        case image(Int64)
        case tree(any ServedTree)
        case search(SearchInode)
    }

    /// - Throws: ESTALE for a number that cannot be ours.
    func inode(_ number: UInt64) throws(Errno) -> Inode {
        switch InodeNumber(rawValue: number) {
        case .fixed(let value):
            guard let entry = FixedEntry(rawValue: value) else { throw Errno(ESTALE) }
            switch entry {
            case .incoming: return .tree(trees.incoming)
            case .rejected: return .tree(trees.rejected)
            case .search: return .search(.top)
            case .root, .readme, .searchHelp, .statusPage, .metrics: return .fixed(entry)
            }
        case .node(let id): return .node(id)
        case .instance(let id): return .image(id)
        case .incoming: return .tree(trees.incoming(with: number))
        case .rejected: return .tree(trees.rejected(with: number))
        case .search(let number): return .search(.folder(number))
        case .searchNote(let number): return .search(.note(number))
        case .foundStudy(let id, let search): return .search(.study(id, search: search))
        case .foundSeries(let id, let search): return .search(.series(id, search: search))
        // Shown to programs, but not used towards the kernel.
        case .study, .series, nil: throw Errno(ESTALE)
        }
    }

    // MARK: Free space

    /// STATFS: the space that new files can really take, with as many copies as are wanted.
    func statistics() throws(Errno) -> statvfs {
        let space = try Errno.from { try archive.capacity() }
        var result = statvfs()
        result.f_bsize = 4096
        result.f_frsize = 4096
        result.f_blocks = UInt(space.total / 4096)
        result.f_bfree = UInt(space.free / 4096)
        result.f_bavail = result.f_bfree
        result.f_files = UInt(space.images) + 1_000_000
        result.f_ffree = 1_000_000
        result.f_namemax = 255
        return result
    }
}
