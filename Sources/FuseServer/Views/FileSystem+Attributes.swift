import Archive
import CFuse3
import Glibc
import System
import TagIndex

extension FileSystem {
    func attributes(of number: UInt64) throws(Errno) -> stat {
        switch try inode(number) {
        case .fixed(let entry):
            guard let kind = entry.document else { return attributes(of: entry) }
            let facts = documents.facts(of: kind)
            return attributes(
                .readme, number: entry.number, size: facts.size, time: facts.time, links: 1)
        case .node(let id):
            guard let node = try Errno.from({ try archive.index.read { try $0.node(id) } }) else {
                throw Errno(ESTALE)
            }
            return attributes(of: node)
        case .image(let id):
            let found = try Errno.from {
                try archive.index.read { reader in
                    try reader.image(id).map {
                        attributes(of: $0, links: try archive.links(ofSeries: $0.series, reader))
                    }
                }
            }
            guard let found else { throw Errno(ESTALE) }
            return found
        case .search(let inode): return try attributes(of: inode)
        case .tree(let tree): return try tree.attributes(of: number)
        }
    }

    func timeout(of number: UInt64) -> Double {
        switch try? inode(number) {
        case .tree: 0
        case .fixed(let entry) where entry.document != nil: 0
        case .search: Self.searchTimeout
        default: Self.timeout
        }
    }

    func attributes(
        _ subject: Permissions.Subject, number: UInt64, size: Int64, time: Int64, links: Int
    ) -> stat {
        var status = stat()
        status.st_ino = UInt(number)
        permissions.apply(subject, to: &status)
        status.st_nlink = UInt(links)
        status.st_size = Int(size)
        status.st_blocks = Int((size + 511) / 512)
        status.st_blksize = 131_072
        let seconds = timespec(
            tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
        status.st_mtim = seconds
        status.st_ctim = seconds
        status.st_atim = seconds
        return status
    }

    func attributes(of entry: FixedEntry) -> stat {
        if let text = entry.text {
            attributes(
                .readme, number: entry.number, size: Int64(text.count), time: created, links: 1)
        } else {
            attributes(.root, number: entry.number, size: 0, time: arranged, links: 1)
        }
    }

    /// When the views were last changed: the time of the root, ns since 1970.
    private var arranged: Int64 { (try? archive.index.read { try $0.viewsChanged() }) ?? created }

    /// The link count 1 of a directory says that its subdirectories are not counted.
    func attributes(of node: Node) -> stat {
        attributes(
            .view, number: InodeNumber.node(node.id).rawValue, size: 0, time: node.changed,
            links: 1)
    }

    /// - Parameter links: How many views show its series.
    func attributes(of image: Image, links: Int) -> stat {
        attributes(
            .image, number: InodeNumber.instance(image.id).rawValue, size: image.bytes,
            time: image.received, links: image.isShown ? links : 1)
    }
}
