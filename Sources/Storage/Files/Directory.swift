import CLinux
import Glibc
import System

/// An open folder. Everything below it is reached through its descriptor, so that a volume
/// that was unmounted gives errors and nothing is written into the mount point below it.
struct Directory: ~Copyable, Sendable {
    private let descriptor: Descriptor
    /// Where the folder was when it was opened; for messages only.
    let path: String

    /// The folder's descriptor; valid as long as the folder is open.
    var number: Int32 { descriptor.number }

    private init(_ descriptor: consuming Descriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    private static let directoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC

    /// Opens a folder by its absolute or relative path; a symbolic link is followed, because
    /// an owner may name a volume by one.
    static func open(path: String) throws(StorageError) -> Directory {
        let number = try call({ .open($0, path) }, opens: true) { Glibc.open(path, directoryFlags) }
        return Directory(Descriptor(owning: number), path: path)
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// Opens a folder in this one.
    func openDirectory(_ name: String) throws(StorageError) -> Directory {
        let number = try call({ .open($0, path(of: name)) }, opens: true) {
            openat(self.number, name, Self.directoryFlags | O_NOFOLLOW)
        }
        return Directory(Descriptor(owning: number), path: path(of: name))
    }

    /// Opens a folder some levels below, one component at a time, so that a symbolic link on
    /// the way leads nowhere.
    func openFolder(_ components: some Sequence<String>) throws(StorageError) -> Directory {
        var folder = try openDirectory(".")
        for component in components { folder = try folder.openDirectory(component) }
        return folder
    }

    /// Opens a regular file in this folder; links are not followed.
    ///
    /// See: 'man 2 openat'
    func openFile(
        _ name: String, _ flags: Int32 = O_RDONLY, mode: mode_t = 0o644
    ) throws(StorageError) -> Descriptor {
        let flags = flags | RegularFile.opening | O_NOFOLLOW
        let file = Descriptor(
            owning: try call(
                { .open(RegularFile.meaning(of: $0, of: name, at: number), path(of: name)) },
                opens: true
            ) {
                openat(number, name, flags, mode)
            })
        // What was just made, and what has no name, is regular.
        let isNew = flags & O_EXCL != 0 || flags & PACSFS_O_TMPFILE == PACSFS_O_TMPFILE
        if isNew { return file }
        guard try file.facts(path: path(of: name)).isRegular else {
            throw StorageError.open(RegularFile.notRegular, path(of: name))
        }
        return file
    }

    /// Makes a folder; returns false when it was there.
    @discardableResult
    func makeDirectory(_ name: String, mode: mode_t = 0o755) throws(StorageError) -> Bool {
        do {
            try call({ .makeDirectory($0, path(of: name)) }) { mkdirat(number, name, mode) }
            return true
        } catch  where error.isTaken {
            return false
        }
    }

    /// Opens a folder in this one, made and made durable first when it was not there.
    func openOrMakeDirectory(_ name: String, mode: mode_t = 0o755) throws(StorageError) -> Directory
    {
        if try makeDirectory(name, mode: mode) {
            do throws(StorageError) {
                try sync()
            } catch {
                // Otherwise the next call would find it and take it for durable.
                _ = unlinkat(number, name, AT_REMOVEDIR)
                throw error
            }
        }
        return try openDirectory(name)
    }

    /// The facts about a name; `nil` when nothing has it.
    func facts(_ name: String) throws(StorageError) -> FileFacts? {
        var status = stat()
        do {
            try call({ .stat($0, path(of: name)) }) {
                fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW)
            }
            return FileFacts(status)
        } catch  where error.isMissing {
            return nil
        }
    }

    /// Gives a file a second name in another folder of the file system.
    func link(
        _ name: String, to target: borrowing Directory, _ newName: String
    ) throws(StorageError) {
        try call({ .link($0, path(of: name)) }) {
            linkat(number, name, target.number, newName, 0)
        }
    }

    /// Renames a file, and replaces another that has the new name.
    func rename(
        _ name: String, to target: borrowing Directory, _ newName: String
    ) throws(StorageError) {
        try call({ .rename($0, path(of: name)) }) {
            renameat(number, name, target.number, newName)
        }
    }

    /// Renames a file; throws `alreadyExists` when another has the new name. On file systems that
    /// cannot do this in one step the name is looked up first.
    func renameWithoutReplacing(
        _ name: String, to target: borrowing Directory, _ newName: String
    ) throws(StorageError) {
        do {
            try call({ .rename($0, path(of: name)) }) {
                renameat2(
                    number, name, target.number, newName, UInt32(PACSFS_RENAME_NOREPLACE))
            }
        } catch  where error.isUnsupported {
            guard try target.facts(newName) == nil else {
                throw .rename(Errno(EEXIST), target.path(of: newName))
            }
            try rename(name, to: target, newName)
        }
    }

    /// Removes a file's name; it is no error when nothing has it.
    func remove(_ name: String) throws(StorageError) {
        do {
            try call({ .remove($0, path(of: name)) }) { unlinkat(number, name, 0) }
        } catch  where error.isMissing {}
    }

    /// Removes a folder, if it is empty.
    func removeEmptyDirectory(_ name: String) { _ = unlinkat(number, name, AT_REMOVEDIR) }

    /// Writes a small file durably under a name, and replaces an existing one. A crash leaves the
    /// old file or the new one. The folder is made durable too.
    func replaceFile(
        _ name: String, with bytes: [UInt8], mode: mode_t = 0o644
    ) throws(StorageError) {
        let temporary = name + ".tmp"
        try remove(temporary)
        let file = try openFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
        try file.write(bytes, at: 0, path: path(of: temporary))
        try file.syncAll(path: path(of: temporary))
        try rename(temporary, to: self, name)
        try sync()
    }

    /// Makes the names in this folder durable. It is not a failure when the file system has no
    /// such call for folders.
    ///
    /// See: 'man 2 fsync'
    func sync() throws(StorageError) {
        do {
            try descriptor.syncAll(path: path)
        } catch  where error.isUnsupported {}
    }

    /// Makes everything on the file system durable.
    ///
    /// See: 'man 2 syncfs'
    func syncFileSystem() throws(StorageError) {
        try call({ .sync($0, path) }) { syncfs(number) }
    }
}
