import Archive
import CFuse3
import Glibc
import Naming
import System
import TagIndex

extension FileSystem {
    func entry(_ attributes: stat) -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = UInt64(attributes.st_ino)
        entry.attr = attributes
        entry.attr_timeout = Self.timeout
        entry.entry_timeout = Self.timeout
        return entry
    }

    /// LOOKUP.
    ///
    /// The kernel looks up `.` and `..` when an NFS client uses the handle of something that the
    /// kernel has forgotten (libfuse, doc/README.NFS).
    ///
    /// - Parameter caller: The thread that waits for the answer.
    /// - Throws: ENOENT, ENOTDIR, or ESTALE when `parent` has gone.
    func lookup(
        _ name: [UInt8], in parent: UInt64, by caller: CallingThread = CallingThread(id: 0)
    ) throws(Errno) -> fuse_entry_param {
        if name == Self.dot { return try entry(of: parent) }
        if name == Self.dotDot { return try entry(of: self.parent(of: parent)) }
        switch try inode(parent) {
        case .tree(let tree): return try tree.lookup(name, in: parent)
        case .search(let inode): return try lookup(name, in: inode, by: caller)
        case .image: throw Errno(ENOTDIR)
        case .fixed(let entry) where !entry.isDirectory: throw Errno(ENOTDIR)
        case .fixed:
            if let fixed = FixedEntry.named(name, ignoresCase: ignoresCase) {
                var found = try entry(of: fixed)
                if Array(fixed.name.utf8) != name { found.entry_timeout = Self.otherCaseTimeout }
                return found
            }
            return try node(name, in: 0)
        case .node(let id):
            guard let node = try Errno.from({ try archive.index.read { try $0.contents(of: id) } })
            else {
                throw Errno(ESTALE)
            }
            guard let series = node.series else { return try self.node(name, in: id) }
            return try image(name, inSeries: series, byUID: node.byUID)
        }
    }

    private static let dot = Array(".".utf8)
    private static let dotDot = Array("..".utf8)
    /// Seconds for which the kernel may keep a name in another case than the listed one: it is only
    /// told when the listed one goes.
    static let otherCaseTimeout = 1.0

    var ignoresCase: Bool { archive.settings.ignoresCase }

    private func entry(of fixed: FixedEntry) throws(Errno) -> fuse_entry_param {
        var found = entry(try attributes(of: fixed.number))
        found.ino = fixed.number
        if fixed.text == nil { found.attr_timeout = 0 }
        return found
    }

    /// The directory or view of this name.
    private func node(_ name: [UInt8], in parent: Int64) throws(Errno) -> fuse_entry_param {
        guard let text = String(validating: name, as: UTF8.self) else { throw Errno(ENOENT) }
        let node = try Errno.from {
            try archive.index.read { try $0.node(in: parent, folded: PortableName.folded(text)) }
        }
        guard let node, let timeout = timeout(of: node.name, askedFor: text) else {
            throw Errno(ENOENT)
        }
        var found = entry(attributes(of: node))
        found.entry_timeout = timeout
        return found
    }

    func image(_ name: [UInt8], inSeries series: Int64, byUID: Bool) throws(Errno)
        -> fuse_entry_param
    {
        guard let text = String(validating: name, as: UTF8.self) else { throw Errno(ENOENT) }
        let image = try Errno.from {
            try archive.index.read { reader in
                try reader.image(inSeries: series, name: text, byUID: byUID).map {
                    (
                        name: $0.name,
                        attributes: attributes(
                            of: $0, links: try archive.links(ofSeries: series, reader))
                    )
                }
            }
        }
        guard let image, let timeout = timeout(of: image.name, askedFor: text) else {
            throw Errno(ENOENT)
        }
        var found = entry(image.attributes)
        found.entry_timeout = timeout
        return found
    }

    /// For how many seconds the kernel may keep a name that it looked up as `text`; `nil` when the
    /// two differ in case, and case matters.
    private func timeout(of name: String, askedFor text: String) -> Double? {
        if name.utf8.elementsEqual(text.utf8) { return Self.timeout }
        return ignoresCase ? Self.otherCaseTimeout : nil
    }

    // MARK: By number

    /// The entry of a number, counted as one more look-up.
    private func entry(of number: UInt64) throws(Errno) -> fuse_entry_param {
        switch try inode(number) {
        case .tree(let tree):
            var entry = try tree.entry(of: number)
            entry.attr = try attributes(of: number)
            return entry
        case .search(let inode): return try entry(of: inode)
        case .fixed(let fixed): return try entry(of: fixed)
        case .node, .image: return entry(try attributes(of: number))
        }
    }

    private func parent(of number: UInt64) throws(Errno) -> UInt64 {
        switch try inode(number) {
        case .fixed(.searchHelp): return FixedEntry.search.number
        case .fixed: return FixedEntry.root.number
        case .tree(let tree):
            return number == tree.root ? FixedEntry.root.number : try tree.parent(of: number)
        case .search(let inode): return try parent(of: inode)
        case .node(let id):
            guard let node = try Errno.from({ try archive.index.read { try $0.node(id) } }) else {
                throw Errno(ESTALE)
            }
            return self.number(ofNode: node.parent)
        case .image(let id):
            guard let leaf = try Errno.from({ try archive.index.read { try $0.leaf(ofImage: id) } })
            else {
                throw Errno(ESTALE)
            }
            return self.number(ofNode: leaf)
        }
    }

    /// - Parameter id: `node.id`; 0 for the root, and -1 for the parent of a view that is not
    ///   shown, which is the root too.
    func number(ofNode id: Int64) -> UInt64 {
        id <= 0 ? FixedEntry.root.number : InodeNumber.node(id).rawValue
    }
}
