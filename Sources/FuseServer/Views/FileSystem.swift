import Archive
import CFuse3
import Foundation
import Naming
import System
import TagIndex

/// What the mount shows: fixed entries, views from the index, and the trees of a volume.
/// Stateless for the views: every answer comes from a row, so there is nothing to forget.
final class FileSystem: Sendable {
    let archive: Archive
    private let trees: Lock<Trees>
    let negotiation: InitNegotiation
    private let imageFiles = Lock<ImageFiles?>(nil)
    /// Seconds for which the kernel may keep names and attributes of views; changes are told.
    static let timeout = 3600.0
    let permissions: Permissions
    /// When the archive was begun.
    let created: Int64
    let passingSearches = PassingSearches()
    /// Makes entries of full folders before they are asked for.
    let readingAhead = DispatchQueue(label: "list ahead", qos: .userInitiated)
    let recentAttributes = Lock(RecentAttributes())
    let searchResults: SearchResults
    /// When searches were last kept or forgotten, ns since 1970.
    let searchesChanged: Lock<Int64>

    /// - parameter searchLimit: how many studies a search shows
    init(
        archive: Archive, negotiation: InitNegotiation, permissions: Permissions,
        searchLimit: Int = 1000
    ) {
        self.archive = archive
        self.permissions = permissions
        self.negotiation = negotiation
        let staging = archive.staging
        trees = Lock(
            Trees(
                incoming: BackedTree(
                    kind: .incoming, staging: staging, root: FixedEntry.incoming.number,
                    archive: archive,
                    permissions: permissions),
                rejected: BackedTree(
                    kind: .rejected, staging: staging, root: FixedEntry.rejected.number,
                    archive: archive,
                    permissions: permissions)))
        created = (try? archive.index.read { try $0.created() }) ?? 0
        searchResults = SearchResults(index: archive.index, limit: searchLimit)
        searchesChanged = Lock(
            (try? archive.index.read { try $0.keptSearches().last?.since }) ?? created)
        incoming.takeUpLeftovers()
    }

    /// The open images. Made when the first is opened: only then it is known what the kernel
    /// and we have agreed on.
    var images: ImageFiles {
        imageFiles.withLock { files in
            if let files { return files }
            let new = ImageFiles(
                archive: archive,
                backing: negotiation.passthrough ? BackingFiles(device: negotiation.device) : nil)
            files = new
            return new
        }
    }

    // MARK: Trees

    private struct Trees {
        var incoming: BackedTree
        var rejected: BackedTree
        /// Of volumes that went; kept by whoever has a file of them open.
        var former: [WeakTree] = []
    }

    private struct WeakTree {
        weak var tree: BackedTree?
    }

    var incoming: BackedTree { trees.withLock { $0.incoming } }

    var rejected: BackedTree { trees.withLock { $0.rejected } }

    /// Shows the trees of another volume when the one they were of has gone. Who has a file
    /// open keeps it. Not to be called with a lock of a tree held.
    func followStaging() {
        let staging = archive.staging
        let moved = trees.withLock { trees in
            guard !trees.incoming.staging.isSame(as: staging) else { return false }
            trees.former =
                trees.former.filter { $0.tree != nil }
                + [WeakTree(tree: trees.incoming), WeakTree(tree: trees.rejected)]
            trees.incoming = BackedTree(
                kind: .incoming, staging: staging, root: FixedEntry.incoming.number,
                archive: archive,
                permissions: permissions, predecessor: trees.incoming)
            trees.rejected = BackedTree(
                kind: .rejected, staging: staging, root: FixedEntry.rejected.number,
                archive: archive,
                permissions: permissions, predecessor: trees.rejected)
            return true
        }
        if moved { incoming.takeUpLeftovers() }
    }

    /// Whether somebody writes a file of `/incoming` on a volume, or it is on its way into the
    /// archive. Not to be called with a lock of a tree held.
    func isInUse(incoming inode: UInt64, on staging: StagingArea) -> Bool {
        let all = trees.withLock { [$0.incoming] + $0.former.compactMap(\.tree) }
        return all.contains {
            $0.kind == .incoming && $0.staging.isSame(as: staging) && $0.isInUse(inode: inode)
        }
    }

    /// The tree that has a number.
    private func tree(of number: UInt64, _ current: BackedTree) -> BackedTree {
        let former = trees.withLock { $0.former.compactMap(\.tree) }
        if former.isEmpty || current.has(number) { return current }
        return former.first { $0.kind == current.kind && $0.has(number) } ?? current
    }

    // MARK: Kinds of numbers

    enum Place {
        case fixed(FixedEntry)
        case node(Int64)
        case image(Int64)
        case tree(BackedTree)
        case search(SearchPlace)
    }

    /// - throws: ESTALE for a number that cannot be ours
    func place(_ number: UInt64) throws(Errno) -> Place {
        switch InodeNumber(rawValue: number) {
        case .fixed(let value):
            guard let entry = FixedEntry(rawValue: value) else { throw Errno(ESTALE) }
            switch entry {
            case .incoming: return .tree(incoming)
            case .rejected: return .tree(rejected)
            case .search: return .search(.top)
            case .root, .readme, .searchHelp: return .fixed(entry)
            }
        case .node(let id): return .node(id)
        case .instance(let id): return .image(id)
        case .incoming: return .tree(tree(of: number, incoming))
        case .rejected: return .tree(tree(of: number, rejected))
        case .search(let number): return .search(.folder(number))
        case .searchNote(let number): return .search(.note(number))
        case .foundStudy(let id, let search): return .search(.study(id, search: search))
        case .foundSeries(let id, let search): return .search(.series(id, search: search))
        // What programs see as inode numbers only.
        case .study, .series, nil: throw Errno(ESTALE)
        }
    }

    // MARK: Room

    /// What `/incoming` can really take.
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
