import Archive
import CFuse3
import Glibc
import Naming
import Synchronization
import TagIndex

/// What the mount shows: fixed entries, views from the index, and the trees of a volume.
/// Stateless for the views: every answer comes from a row, so there is nothing to forget.
final class FileSystem: Sendable {
    let archive: Archive
    private let trees: Mutex<Trees>
    let negotiation: InitNegotiation
    private let imageFiles = Mutex<ImageFiles?>(nil)
    /// Seconds for which the kernel may keep names and attributes of views; changes are told.
    static let timeout = 3600.0
    private let owner = (uid: geteuid(), gid: getegid())

    init(archive: Archive, negotiation: InitNegotiation) {
        self.archive = archive
        self.negotiation = negotiation
        let staging = archive.staging
        trees = Mutex(
            Trees(
                incoming: BackedTree(
                    kind: .incoming, staging: staging, root: FixedEntry.incoming.number, archive: archive),
                rejected: BackedTree(
                    kind: .rejected, staging: staging, root: FixedEntry.rejected.number, archive: archive)))
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
            trees.former = trees.former.filter { $0.tree != nil }
                + [WeakTree(tree: trees.incoming), WeakTree(tree: trees.rejected)]
            trees.incoming = BackedTree(
                kind: .incoming, staging: staging, root: FixedEntry.incoming.number, archive: archive,
                predecessor: trees.incoming)
            trees.rejected = BackedTree(
                kind: .rejected, staging: staging, root: FixedEntry.rejected.number, archive: archive,
                predecessor: trees.rejected)
            return true
        }
        if moved { incoming.takeUpLeftovers() }
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
    }

    /// - throws: ESTALE for a number that cannot be ours
    func place(_ number: UInt64) throws(Errno) -> Place {
        switch InodeNumber(rawValue: number) {
        case .fixed(let value):
            guard let entry = FixedEntry(rawValue: value) else { throw Errno(ESTALE) }
            switch entry {
            case .incoming: return .tree(incoming)
            case .rejected: return .tree(rejected)
            case .root, .readme: return .fixed(entry)
            }
        case .node(let id): return .node(id)
        case .instance(let id): return .image(id)
        case .incoming: return .tree(tree(of: number, incoming))
        case .rejected: return .tree(tree(of: number, rejected))
        case nil: throw Errno(ESTALE)
        }
    }

    // MARK: Attributes

    func attributes(of number: UInt64) throws(Errno) -> stat {
        switch try place(number) {
        case .fixed(let entry): return attributes(of: entry)
        case .node(let id):
            guard let node = try Errno.from({ try archive.index.read { try $0.node(id) } }) else { throw Errno(ESTALE) }
            return attributes(of: node)
        case .image(let id):
            let found = try Errno.from {
                try archive.index.read { reader in
                    try reader.image(id).map { attributes(of: $0, links: try archive.links(ofSeries: $0.series, reader)) }
                }
            }
            guard let found else { throw Errno(ESTALE) }
            return found
        case .tree(let tree):
            var status = try tree.attributes(of: number)
            if number == FixedEntry.incoming.number { status.st_mode = S_IFDIR | 0o1777 }
            return status
        }
    }

    func timeout(of number: UInt64) -> Double {
        if case .tree = try? place(number) { 0 } else { Self.timeout }
    }

    private func attributes(mode: mode_t, number: UInt64, size: Int64, time: Int64, links: Int) -> stat {
        var status = stat()
        status.st_ino = UInt(number)
        status.st_mode = mode
        status.st_nlink = UInt(links)
        status.st_uid = owner.uid
        status.st_gid = owner.gid
        status.st_size = Int(size)
        status.st_blocks = Int((size + 511) / 512)
        status.st_blksize = 131_072
        let seconds = timespec(tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
        status.st_mtim = seconds
        status.st_ctim = seconds
        status.st_atim = seconds
        return status
    }

    func attributes(of entry: FixedEntry) -> stat {
        switch entry {
        case .readme:
            attributes(
                mode: S_IFREG | 0o444, number: entry.number, size: Int64(FixedEntry.readmeText.count),
                time: (try? archive.index.read { try $0.created() }) ?? 0, links: 1)
        default:
            attributes(
                mode: S_IFDIR | 0o555, number: entry.number, size: 0,
                time: (try? archive.index.read { try $0.arranged() }) ?? 0, links: 1)
        }
    }

    /// A directory has one link, which says that its subdirectories are not counted.
    func attributes(of node: Node) -> stat {
        attributes(
            mode: S_IFDIR | 0o555, number: InodeNumber.node(node.id).rawValue, size: 0, time: node.changed,
            links: 1)
    }

    /// - parameter links: how many views show it
    func attributes(of image: Image, links: Int) -> stat {
        attributes(
            mode: S_IFREG | 0o444, number: InodeNumber.instance(image.id).rawValue, size: image.bytes,
            time: image.received, links: links)
    }

    func entry(_ attributes: stat) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = UInt64(attributes.st_ino)
        entry.attr = attributes
        entry.attr_timeout = Self.timeout
        entry.entry_timeout = Self.timeout
        return entry
    }

    // MARK: Lookup

    func lookup(_ name: [UInt8], in parent: UInt64) throws(Errno) -> fuse_entry_param {
        switch try place(parent) {
        case .tree(let tree): return try tree.lookup(name, in: parent)
        case .image, .fixed(.readme): throw Errno(ENOTDIR)
        case .fixed:
            switch FixedEntry.named(name) {
            case .readme: return entry(attributes(of: .readme))
            case .some(let fixed):
                var found = entry(try attributes(of: fixed.number))
                found.ino = fixed.number
                found.attr_timeout = 0
                return found
            case nil: return entry(attributes(of: try node(name, in: 0)))
            }
        case .node(let id):
            let found: stat? = try Errno.from {
                try archive.index.read { reader in
                    guard let node = try reader.contents(of: id) else { throw Errno(ESTALE) }
                    guard let text = String(validating: name, as: UTF8.self) else { return nil }
                    if let series = node.series {
                        let image = try reader.image(inSeries: series, name: text, byUID: node.byUID)
                        guard let image, image.name == text else { return nil }
                        return attributes(of: image, links: try archive.links(ofSeries: series, reader))
                    }
                    let child = try reader.node(in: id, folded: PortableName.folded(text))
                    return child?.name == text ? child.map(attributes(of:)) : nil
                }
            }
            guard let found else { throw Errno(ENOENT) }
            return entry(found)
        }
    }

    private func node(_ name: [UInt8], in parent: Int64) throws(Errno) -> Node {
        guard let text = String(validating: name, as: UTF8.self),
            let node = try Errno.from({
                try archive.index.read { try $0.node(in: parent, folded: PortableName.folded(text)) }
            }), node.name == text
        else { throw Errno(ENOENT) }
        return node
    }

    // MARK: Reading directories

    // The first cookies are those of `.`, `..` and the fixed entries; a row's is its id beyond.
    private static let firstCookie = 16

    /// Fills `buffer` with entries after `cookie`.
    ///
    /// - parameter plus: with attributes (READDIRPLUS)
    func list(
        _ number: UInt64, after cookie: Int, plus: Bool, into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        func add(_ name: String, _ attributes: stat, cookie: Int, buffer: inout DirectoryBuffer) -> Bool {
            guard plus else { return buffer.add(name, attributes, cookie: cookie) }
            var entry = entry(attributes)
            // Zero: no look-up is counted (`.`, `..`), or the kernel shall ask (trees).
            if name == "." || name == ".." || name == FixedEntry.incoming.name || name == FixedEntry.rejected.name {
                entry.ino = 0
            }
            return buffer.add(name, entry, cookie: cookie)
        }
        let node: Node?
        if case .node(let id) = try place(number) {
            guard let found = try Errno.from({ try archive.index.read { try $0.node(id) } }) else { throw Errno(ESTALE) }
            node = found
        } else {
            node = nil
        }
        if cookie < 1 {
            let own = node.map(attributes(of:)) ?? attributes(of: .root)
            guard add(".", own, cookie: 1, buffer: &buffer) else { return }
        }
        if cookie < 2 {
            let parent = node.map { $0.parent <= 0 ? FixedEntry.root.number : InodeNumber.node($0.parent).rawValue }
            var status = attributes(of: .root)
            status.st_ino = UInt(parent ?? FixedEntry.root.number)
            guard add("..", status, cookie: 2, buffer: &buffer) else { return }
        }
        if node == nil {
            for entry in FixedEntry.allCases where entry != .root && Int(entry.number) + 2 > cookie {
                let status = try attributes(of: entry.number)
                guard add(entry.name, status, cookie: Int(entry.number) + 2, buffer: &buffer) else { return }
            }
        }
        let after = Int64(max(0, cookie - Self.firstCookie))
        try Errno.from {
            try archive.index.read { reader in
                if let node, let series = node.series {
                    let links = try archive.links(ofSeries: series, reader)
                    try reader.images(inSeries: series, byUID: node.byUID, after: after) { image in
                        add(image.name, attributes(of: image, links: links), cookie: Int(image.id) + Self.firstCookie, buffer: &buffer)
                    }
                } else {
                    try reader.nodes(in: node?.id ?? 0, after: after) { child in
                        add(child.name, attributes(of: child), cookie: Int(child.id) + Self.firstCookie, buffer: &buffer)
                    }
                }
            }
        }
    }

    // MARK: Room

    /// What `/incoming` can really take.
    func statistics() throws(Errno) -> statvfs {
        let space = try Errno.from { try archive.room() }
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
