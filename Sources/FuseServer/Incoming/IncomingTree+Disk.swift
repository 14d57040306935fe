import Glibc
import System

/// An open directory of the volume: names in it are reached wherever it is moved meanwhile.
struct OpenFolder {
    let number: UInt64
    let descriptor: Int32
    private let owner: SharedDescriptor?

    fileprivate init(_ number: UInt64, _ descriptor: Int32, owner: SharedDescriptor? = nil) {
        (self.number, self.descriptor, self.owner) = (number, descriptor, owner)
    }

    func status() throws(Errno) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .last }
        return status
    }

    /// A symbolic link is not followed.
    ///
    /// - Throws: The error of `fstatat(2)`.
    func status(of name: [UInt8]) throws(Errno) -> stat {
        var status = stat()
        try systemCall {
            name.withCString { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }
        }
        return status
    }
}

// Reaching on disk what a number means. Paths are those of the tree, which may change at any
// moment: a directory that is being moved is waited for, and what was moved meanwhile is looked up
// again.
extension IncomingTree {
    /// Opens a directory.
    ///
    /// - Throws: `ESTALE` when it was removed, and the errors of `openat(2)`.
    func folder(_ number: UInt64) throws(Errno) -> OpenFolder {
        if number == root { return OpenFolder(number, staging.incomingDescriptor) }
        while true {
            let (path, inode, moves) = try lock.place(ofDirectory: number)
            do throws(Errno) {
                let opened = try SharedDescriptor(
                    at: staging.incomingDescriptor, path, flags: O_RDONLY | O_DIRECTORY)
                guard UInt64(try opened.status().st_ino) == inode else { throw Errno(ESTALE) }
                return OpenFolder(number, opened.number, owner: opened)
            } catch {
                // Its path may have become another one in between.
                if locked({ $0.reservations.moves }) == moves { throw error }
            }
        }
    }

    /// What stat(2) says of a node on disk.
    func statusOnDisk(of number: UInt64) throws(Errno) -> stat {
        if number == root { return try folder(root).status() }
        return try onDisk(number) { (folder, name) throws(Errno) in try folder.status(of: name) }
    }

    /// Opens the inode that a file has on disk.
    func openOnDisk(_ number: UInt64, flags: Int32) throws(Errno) -> SharedDescriptor {
        try onDisk(number) { (folder, name) throws(Errno) in
            try SharedDescriptor(at: folder.descriptor, name, flags: flags)
        }
    }

    /// The descriptor by which a file is open, or a new one.
    func readable(_ number: UInt64, _ file: IncomingFile) throws(Errno) -> SharedDescriptor {
        if let descriptor = file.descriptor { return descriptor }
        return try openOnDisk(number, flags: O_RDONLY)
    }

    /// Makes a call with the name of a node. The thread has not reserved that.
    ///
    /// - Throws: `ESTALE` for a node without a name, and what `call` throws.
    func onDisk<R>(
        _ number: UInt64, _ call: (OpenFolder, [UInt8]) throws(Errno) -> R
    ) throws(Errno) -> R {
        var isBeingRenamed = false
        while true {
            guard let place = locked({ $0.tree.place(of: number) }) else { throw Errno(ESTALE) }
            do throws(Errno) {
                guard isBeingRenamed else {
                    return try call(folder(place.directory), place.name)
                }
                return try reserving([place]) { (folders) throws(Errno) in
                    try call(folders[0], place.name)
                }
            } catch {
                let isSame = locked { $0.tree.place(of: number) } == place
                guard error.code == ENOENT || error.code == ESTALE, !isSame || !isBeingRenamed
                else { throw error }
                isBeingRenamed = true
            }
        }
    }
}
