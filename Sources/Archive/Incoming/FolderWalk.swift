import Glibc
import System

/// A walk through everything below a directory. Clients may nest folders as deep as they like, so
/// it does not recurse, and only one folder is open at a time. Nor is it one call on a disk,
/// however long it takes: each step shows that the disk answers.
public struct FolderWalk {
    /// A name that the walk has come to.
    public struct Entry {
        /// The open folder that it is in; valid during the call.
        public var folder: Int32
        /// The path of that folder below the root of the walk, ending in `/`; empty for the root.
        public var prefix: [UInt8]
        public var name: [UInt8]
        public var status: stat

        public var isFolder: Bool { status.st_mode & S_IFMT == S_IFDIR }
        public var isFile: Bool { status.st_mode & S_IFMT == S_IFREG }
        /// Below the root of the walk.
        public var path: [UInt8] { prefix + name }
    }

    private struct Level {
        var inode: UInt64
        var name: [UInt8]
        /// Names that the walk has not come to yet.
        var remaining: [[UInt8]]
    }

    private var folder: Int32
    private var levels: [Level] = []
    private var prefix: [UInt8] = []

    private init?(_ directory: Int32) {
        folder = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return nil }
        enter(named: [])
    }

    /// Visits every file and folder. Folders that cannot be opened are left out.
    ///
    /// - Parameters:
    ///   - directory: An open directory.
    ///   - visit: Called with each entry before those below it; returns whether to go into a
    ///     folder.
    ///   - leave: Called with the open parent and the name of a folder after all that is in it, if
    ///     `visit` wanted to go into it.
    /// - Throws: What `visit` throws, and ``ArchiveError`` when a folder is moved during the walk,
    ///   or the disk was given up.
    static func walk(
        below directory: Int32, visit: (Entry) throws -> Bool,
        leave: (_ parent: Int32, _ name: [UInt8]) -> Void = { _, _ in }
    ) throws {
        guard var walk = FolderWalk(directory) else { return }
        defer { close(walk.folder) }
        while !walk.levels.isEmpty {
            try requireDisk()
            guard let name = walk.levels[walk.levels.count - 1].remaining.popLast() else {
                if let left = try walk.goUp() { leave(walk.folder, left) }
                continue
            }
            var status = stat()
            guard name.withCString({ fstatat(walk.folder, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0
            else { continue }
            let entry = Entry(
                folder: walk.folder, prefix: walk.prefix, name: name, status: status)
            guard try visit(entry), entry.isFolder else { continue }
            if !walk.goDown(name) { leave(walk.folder, name) }
        }
    }

    /// - Throws: ``ArchiveError`` when nobody waits for this any more, and nothing more is to be
    ///   changed.
    private static func requireDisk() throws {
        guard DiskWork.goesOn() else {
            throw ArchiveError(.storage, "The disk did not answer while its folders were read.")
        }
    }

    /// Visits every regular file.
    ///
    /// - Parameter directory: An open directory.
    /// - Throws: What `visit` throws, and ``ArchiveError`` when a folder is moved during the walk.
    public static func files(below directory: Int32, _ visit: (Entry) throws -> Void) throws {
        try walk(
            below: directory,
            visit: { entry in
                if entry.isFile { try visit(entry) }
                return true
            })
    }

    /// Removes the folders below a directory that are empty, or hold only empty folders.
    static func removeEmptyFolders(below directory: Int32) throws {
        try walk(
            below: directory, visit: { _ in true },
            leave: { parent, name in
                // Fails where something is in it, as it should.
                _ = name.withCString { unlinkat(parent, $0, AT_REMOVEDIR) }
            })
    }

    /// How many levels a directory makes with the folders below it; 1 when it has none.
    ///
    /// - Parameter directory: An open directory.
    /// - Throws: ``ArchiveError`` when a folder is moved during the walk.
    public static func levels(of directory: Int32) throws -> Int {
        var (depth, most) = (1, 1)
        try walk(
            below: directory,
            visit: { entry in
                if entry.isFolder {
                    depth += 1
                    most = max(most, depth)
                }
                return entry.isFolder
            }, leave: { _, _ in depth -= 1 })
        return most
    }

    /// - Returns: False for a folder that cannot be opened.
    private mutating func goDown(_ name: [UInt8]) -> Bool {
        let child = name.withCString {
            openat(folder, $0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        }
        guard child >= 0 else { return false }
        close(folder)
        folder = child
        prefix += name + [UInt8(ascii: "/")]
        enter(named: name)
        return true
    }

    private mutating func enter(named name: [UInt8]) {
        var status = stat()
        fstat(folder, &status)
        levels.append(
            Level(
                inode: UInt64(status.st_ino), name: name,
                // Nothing of a folder that cannot be read.
                remaining: (try? DirectoryEntry.names(in: folder)) ?? []))
    }

    /// - Returns: The name of the folder that was left; `nil` for the root.
    private mutating func goUp() throws -> [UInt8]? {
        guard let left = levels.popLast(), let parent = levels.last else { return nil }
        let above = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        var status = stat()
        guard above >= 0, fstat(above, &status) == 0, UInt64(status.st_ino) == parent.inode else {
            if above >= 0 { close(above) }
            throw ArchiveError(
                .storage,
                """
                The folder \(String(decoding: prefix, as: UTF8.self)) was moved while it was \
                looked through.
                """
            )
        }
        close(folder)
        folder = above
        prefix.removeLast(left.name.count + 1)
        return left.name
    }
}
