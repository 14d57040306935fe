import Archive
import CFuse3
import Glibc
import System

/// What the rest of the file system needs of `/incoming` and `/rejected`.
protocol ServedTree: AnyObject, Sendable {
    /// The volume that it is on.
    var staging: StagingArea { get }
    /// The number of its root.
    var root: UInt64 { get }

    /// Whether a number is one of its nodes.
    func has(_ number: UInt64) -> Bool

    /// LOOKUP.
    func lookup(_ name: [UInt8], in parent: UInt64) throws(Errno) -> fuse_entry_param

    /// The entry of a node that the kernel knows, as one more look-up.
    ///
    /// - Throws: `ESTALE` when it does not: numbers hold for as long as the daemon runs.
    func entry(of number: UInt64) throws(Errno) -> fuse_entry_param

    /// - Throws: `ESTALE` for a node that was removed, and for the root.
    func parent(of number: UInt64) throws(Errno) -> UInt64

    /// FORGET.
    func forget(_ number: UInt64, count: UInt64)

    /// GETATTR.
    func attributes(of number: UInt64) throws(Errno) -> stat

    /// OPENDIR.
    func openDirectory(_ number: UInt64) throws(Errno) -> DirectorySnapshot

    /// FSYNCDIR.
    func syncDirectory(_ number: UInt64) throws(Errno)

    /// Names and values of what getxattr(2) says of a node.
    func extendedAttributes(of number: UInt64) throws(Errno) -> [(name: String, value: String)]

    /// What `d_ino` says of a file of the volume.
    func shownInode(_ inode: UInt64) -> UInt64
}

extension ServedTree {
    /// Fills `buffer` with the entries of an open directory after `cookie`, its place there.
    /// The kernel asks for attributes itself: they may change at any moment.
    func list(
        _ snapshot: DirectorySnapshot, of number: UInt64, after cookie: Int, plus: Bool,
        into buffer: inout DirectoryBuffer
    ) {
        func add(_ name: [UInt8], _ inode: UInt64, isDirectory: Bool, cookie: Int) -> Bool {
            var entry = fuse_entry_param()
            entry.attr.st_ino = UInt(inode)
            entry.attr.st_mode = isDirectory ? S_IFDIR : S_IFREG
            return name.withCString {
                plus
                    ? buffer.add($0, entry, cookie: cookie)
                    : buffer.add($0, entry.attr, cookie: cookie)
            }
        }
        if cookie < 1, !add(Array(".".utf8), number, isDirectory: true, cookie: 1) { return }
        if cookie < 2, !add(Array("..".utf8), root, isDirectory: true, cookie: 2) { return }
        let first = max(0, cookie - 2)
        for index in first..<max(first, snapshot.entries.count) {
            let entry = snapshot.entries[index]
            let inode = shownInode(entry.inode)
            guard add(entry.name, inode, isDirectory: entry.isDirectory, cookie: index + 3) else {
                return
            }
        }
    }
}

/// What a directory held when it was opened. Cookies are places in it, so that nothing is listed
/// twice or left out while files come and go.
final class DirectorySnapshot: @unchecked Sendable {
    // @unchecked: the kernel holds the lock of the open directory around each READDIR of it, so
    // that there is one caller at a time.

    struct Entry {
        var name: [UInt8]
        var isDirectory: Bool
        var inode: UInt64
    }

    var entries: [Entry]
    private let hold: (any AnyObject & Sendable)?

    /// - Parameter hold: Lives as long as this.
    init(_ entries: [Entry], hold: (any AnyObject & Sendable)? = nil) {
        self.entries = entries
        self.hold = hold
    }

    /// Reads an open directory: the files and folders in it.
    ///
    /// - Parameter isHidden: Names that are not shown.
    /// - Throws: The errors of reading a directory.
    static func entries(
        of directory: Int32, isHidden: ([UInt8]) -> Bool
    ) throws(Errno) -> [Entry] {
        var entries: [Entry] = []
        try DirectoryEntry.forEach(in: directory, orThrow: { $0 }) { (entry) throws(Errno) in
            let type = Int32(entry.type)
            guard [DT_REG, DT_DIR, DT_UNKNOWN].contains(where: { Int32($0) == type }) else {
                return
            }
            let name = [UInt8](entry.name)
            guard !isHidden(name) else { return }
            entries.append(
                Entry(name: name, isDirectory: type == Int32(DT_DIR), inode: entry.inode))
        }
        return entries
    }
}

/// Names that the daemon itself uses for a moment are neither shown nor made.
enum HiddenName {
    static let prefix = Array(".pacsfs-".utf8)

    static func matches(_ name: [UInt8]) -> Bool { name.starts(with: prefix) }
}
