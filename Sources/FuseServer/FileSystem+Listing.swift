import Archive
import CFuse3
import Glibc
import TagIndex

extension FileSystem {
    // The first cookies are those of `.`, `..` and the fixed entries; a row's is its id beyond.
    static let firstCookie = 16

    /// Fills `buffer` with entries after `cookie`.
    ///
    /// - parameter plus: with attributes (READDIRPLUS)
    func list(
        _ directory: UInt64, after cookie: Int, plus: Bool, into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        func add(_ name: String, _ attributes: stat, cookie: Int, buffer: inout DirectoryBuffer) -> Bool {
            guard plus else { return buffer.add(name, attributes, cookie: cookie) }
            var entry = entry(attributes)
            // Zero: no look-up is counted (`.`, `..`), or the kernel shall ask (trees).
            if name == "." || name == ".." || FixedEntry.atRoot.contains(where: { $0.text == nil && $0.name == name }) {
                entry.ino = 0
            }
            return buffer.add(name, entry, cookie: cookie)
        }
        let node: Node?
        if case .node(let id) = try place(directory) {
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
            var status = attributes(of: .root)
            status.st_ino = UInt(number(ofNode: node?.parent ?? 0))
            guard add("..", status, cookie: 2, buffer: &buffer) else { return }
        }
        if node == nil {
            for entry in FixedEntry.atRoot where Int(entry.number) + 2 > cookie {
                let status = try attributes(of: entry.number)
                guard add(entry.name, status, cookie: Int(entry.number) + 2, buffer: &buffer) else { return }
            }
        }
        if let node, let series = node.series {
            return try listImages(
                ofSeries: series, byUID: node.byUID, after: cookie, entryTimeout: Self.timeout, plus: plus, into: &buffer)
        }
        try Errno.from {
            try archive.index.read { reader in
                try reader.nodes(in: node?.id ?? 0, after: Self.row(cookie)) { child in
                    add(child.name, attributes(of: child), cookie: Int(child.id) + Self.firstCookie, buffer: &buffer)
                }
            }
        }
    }

    /// Adds the images of a series, those after `cookie`.
    ///
    /// - parameter entryTimeout: seconds for which the kernel may keep their names
    func listImages(
        ofSeries series: Int64, byUID: Bool, after cookie: Int, entryTimeout: Double, plus: Bool,
        into buffer: inout DirectoryBuffer
    ) throws(Errno) {
        try Errno.from {
            try archive.index.read { reader in
                let links = try archive.links(ofSeries: series, reader)
                try reader.images(inSeries: series, byUID: byUID, after: Self.row(cookie)) { image in
                    let (attributes, cookie) = (attributes(of: image, links: links), Int(image.id) + Self.firstCookie)
                    guard plus else { return buffer.add(image.name, attributes, cookie: cookie) }
                    var entry = entry(attributes)
                    entry.entry_timeout = entryTimeout
                    return buffer.add(image.name, entry, cookie: cookie)
                }
            }
        }
    }

    /// The id of the row after which a listing goes on.
    private static func row(_ cookie: Int) -> Int64 { Int64(max(0, cookie - firstCookie)) }

    /// Whether the kernel may keep what a directory holds until it is told: the views.
    func mayKeepListing(_ directory: UInt64) -> Bool {
        switch try? place(directory) {
        case .fixed, .node: true
        default: false
        }
    }
}
