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
    /// `.` and `..` are asked for by the kernel when a client of NFS comes with the handle of
    /// something that the kernel does not know any more (libfuse, doc/README.NFS).
    ///
    /// - parameter caller: the thread that waits for the answer
    func lookup(
        _ name: [UInt8], in parent: UInt64, by caller: CallingThread = CallingThread(id: 0)
    ) throws(Errno) -> fuse_entry_param {
        if name == Self.dot { return try entry(of: parent) }
        if name == Self.dotDot { return try entry(of: self.parent(of: parent)) }
        switch try place(parent) {
        case .tree(let tree): return try tree.lookup(name, in: parent)
        case .search(let place): return try lookup(name, in: place, by: caller)
        case .image, .fixed(.readme), .fixed(.searchHelp): throw Errno(ENOTDIR)
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
    /// Seconds for which the kernel may keep a name in another case than the one that is listed:
    /// when that goes, only the listed one is told.
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

    /// For how many seconds the kernel may keep a name that was asked for as `text`; `nil` when
    /// it is another one, because case matters.
    private func timeout(of name: String, askedFor text: String) -> Double? {
        if name.utf8.elementsEqual(text.utf8) { return Self.timeout }
        return ignoresCase ? Self.otherCaseTimeout : nil
    }

    // MARK: By number

    /// What has this number, as one more look-up.
    private func entry(of number: UInt64) throws(Errno) -> fuse_entry_param {
        switch try place(number) {
        case .tree(let tree):
            var entry = try tree.entry(of: number)
            entry.attr = try attributes(of: number)
            return entry
        case .search(let place): return try entry(of: place)
        case .fixed(let fixed): return try entry(of: fixed)
        case .node, .image: return entry(try attributes(of: number))
        }
    }

    private func parent(of number: UInt64) throws(Errno) -> UInt64 {
        switch try place(number) {
        case .fixed(.searchHelp): return FixedEntry.search.number
        case .fixed: return FixedEntry.root.number
        case .tree(let tree):
            return number == tree.root ? FixedEntry.root.number : try tree.parent(of: number)
        case .search(let place): return try parent(of: place)
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

    /// - parameter id: `node.id`, 0 for the root; -1, above a view that is not shown, is the root too
    func number(ofNode id: Int64) -> UInt64 {
        id <= 0 ? FixedEntry.root.number : InodeNumber.node(id).rawValue
    }
}
