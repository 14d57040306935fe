import Archive
import CFuse3
import Glibc
import System
import TagIndex

extension FileSystem {
    /// OPENDIR: a snapshot of a directory of a tree or of `/search`; `nil` for one that is listed
    /// by rows of the index.
    func openDirectory(_ number: UInt64) throws(Errno) -> DirectorySnapshot? {
        switch try inode(number) {
        case .tree(let tree): try tree.openDirectory(number)
        case .search(let inode): try snapshot(of: inode)
        default: nil
        }
    }

    func readDirectory(
        _ number: UInt64, snapshot: DirectorySnapshot?, after cookie: Int, plus: Bool,
        into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        // As after rewinddir(3), which shows what has come since.
        if cookie == 0, let snapshot, let fresh = try openDirectory(number) {
            snapshot.entries = fresh.entries
        }
        switch try inode(number) {
        case .tree(let tree):
            guard let snapshot else { throw Errno(EBADF) }
            tree.list(snapshot, of: number, after: cookie, plus: plus, into: &buffer)
        case .search(let inode):
            try list(snapshot, of: inode, after: cookie, plus: plus, into: &buffer)
        default: try list(number, after: cookie, plus: plus, into: &buffer)
        }
    }

    // The first cookies are those of `.`, `..` and the fixed entries; that of a row is its id plus
    // this.
    static let firstCookie = 16

    /// Fills `buffer` with entries after `cookie`.
    ///
    /// - Parameter plus: With attributes (READDIRPLUS).
    func list(
        _ directory: UInt64, after cookie: Int, plus: Bool, into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        let node: Node?
        if case .node(let id) = try inode(directory) {
            guard let found = try Errno.from({ try archive.index.read { try $0.node(id) } }) else {
                throw Errno(ESTALE)
            }
            node = found
        } else {
            node = nil
        }
        if cookie < 1 {
            let own = node.map(attributes(of:)) ?? attributes(of: .root)
            guard buffer.add(".", own, cookie: 1, plus: plus) else { return }
        }
        if cookie < 2 {
            var status = attributes(of: .root)
            status.st_ino = UInt(number(ofNode: node?.parent ?? 0))
            guard buffer.add("..", status, cookie: 2, plus: plus) else { return }
        }
        if node == nil {
            for entry in FixedEntry.atRoot where Int(entry.number) + 2 > cookie {
                let cookie = Int(entry.number) + 2
                if plus, entry.text != nil {
                    let found = self.entry(attributes(of: entry))
                    guard buffer.add(entry.name, found, cookie: cookie) else { return }
                } else {
                    // The kernel asks for the attributes of all others itself: they change.
                    var status = stat()
                    status.st_ino = UInt(entry.number)
                    status.st_mode = entry.isDirectory ? S_IFDIR : S_IFREG
                    guard buffer.add(entry.name, status, cookie: cookie, plus: plus) else { return }
                }
            }
        }
        if let node, let series = node.series {
            return try listImages(
                ofSeries: series, byUID: node.byUID, after: cookie, entryTimeout: Self.timeout,
                plus: plus, into: &buffer)
        }
        try Errno.from {
            try archive.index.read { reader in
                let (parent, after) = (node?.id ?? 0, Self.row(cookie))
                guard plus else {
                    return try reader.listNodes(in: parent, after: after) { id, name in
                        buffer.add(
                            name, inode: InodeNumber.node(id).rawValue, type: DT_DIR,
                            cookie: Int(id) + Self.firstCookie)
                    }
                }
                try reader.nodes(in: parent, after: after) { child in
                    buffer.add(
                        child.name, entry(attributes(of: child)),
                        cookie: Int(child.id) + Self.firstCookie)
                }
            }
        }
    }

    /// Adds the images of a series, those after `cookie`.
    ///
    /// - Parameter entryTimeout: Seconds for which the kernel may keep their names.
    func listImages(
        ofSeries series: Int64, byUID: Bool, after cookie: Int, entryTimeout: Double, plus: Bool,
        into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        try Errno.from {
            try archive.index.read { reader in
                guard plus else {
                    return try reader.listImages(
                        inSeries: series, byUID: byUID, after: Self.row(cookie)
                    ) { id, name in
                        buffer.add(
                            name, inode: InodeNumber.instance(id).rawValue, type: DT_REG,
                            cookie: Int(id) + Self.firstCookie)
                    }
                }
                let links = try archive.links(ofSeries: series, reader)
                try reader.images(inSeries: series, byUID: byUID, after: Self.row(cookie)) {
                    image in
                    var entry = entry(attributes(of: image, links: links))
                    entry.entry_timeout = entryTimeout
                    return buffer.add(image.name, entry, cookie: Int(image.id) + Self.firstCookie)
                }
            }
        }
    }

    /// Lists a little of everything, so that the first listing after the mount does not wait for a
    /// connection to the index and its schema. What fails here fails again when it matters.
    func warmUp() {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { memory.deallocate() }
        for plus in [false, true] {
            var buffer = DirectoryBuffer(request: nil, memory: memory)
            try? list(FixedEntry.root.number, after: 0, plus: plus, into: &buffer)
            try? listImages(
                ofSeries: 0, byUID: false, after: 0, entryTimeout: 0, plus: plus, into: &buffer)
        }
    }

    /// The id of the row before those that are listed next.
    private static func row(_ cookie: Int) -> Int64 { Int64(max(0, cookie - firstCookie)) }

    /// Whether the kernel may keep the listing of a directory until ``Invalidator`` tells it
    /// otherwise: in the views.
    func mayKeepListing(_ directory: UInt64) -> Bool {
        switch try? inode(directory) {
        case .fixed, .node: true
        default: false
        }
    }
}
