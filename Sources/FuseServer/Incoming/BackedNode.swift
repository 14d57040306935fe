import Archive
import Glibc

/// A file or directory of `/incoming` or `/rejected` that the kernel knows, or that is
/// still waiting. Touched only under the lock of its ``BackedTree``.
final class BackedNode {
    /// What the kernel calls it: InodeNumber, never given twice while the daemon runs.
    let number: UInt64
    let isDirectory: Bool
    /// The file system's own number of it, by which two names of a file are known to be one.
    var backingInode: UInt64
    /// `nil` for the root, and for what was removed while the kernel still knows it.
    weak var parent: BackedNode?
    var name: [UInt8]
    var children: [[UInt8]: BackedNode] = [:]
    /// How often the kernel was told of it, less what it has forgotten.
    var lookups: UInt64 = 0
    /// Whom it is shown to belong to, where the daemon may not give it to him on disk.
    var owner: (uid: uid_t, gid: gid_t)?
    var isRemoved = false
    /// What a directory that was removed last was: who has it open may still ask.
    var final: stat?
    /// How many have the directory open.
    var openings = 0
    /// When something last happened in it, monotonic ns.
    var lastUse: Int64
    /// Whether a file that was in it has been archived or rejected: then it goes as well.
    var hadFiles = false
    /// For a regular file.
    let file: BackedFile?

    init(
        number: UInt64, isDirectory: Bool, backingInode: UInt64, parent: BackedNode?, name: [UInt8]
    ) {
        self.number = number
        self.isDirectory = isDirectory
        self.backingInode = backingInode
        self.parent = parent
        self.name = name
        lastUse = monotonicNow()
        file = isDirectory ? nil : BackedFile()
    }

    /// Names from the root of the tree, joined with `/`; `.` for the root.
    var path: [UInt8] {
        var names: [[UInt8]] = []
        var current = self
        while let parent = current.parent {
            names.append(current.name)
            current = parent
        }
        return names.isEmpty
            ? [UInt8(ascii: ".")] : [UInt8](names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }

    /// The directory directly below the root that it lies in; itself when it is that.
    var top: BackedNode {
        var current = self
        while let parent = current.parent, parent.parent != nil { current = parent }
        return current
    }

    /// Whether the name says that its writer will rename it: rsync's `.name.XXXXXX`, and
    /// what browsers, editors and copy programs use.
    var isTemporary: Bool { TemporaryName.matches(name, in: parent?.name) }
}
