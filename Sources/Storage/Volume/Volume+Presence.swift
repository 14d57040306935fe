import CLinux
import Glibc
import System

// Whether the volume is still the one that was opened.
//
// Our descriptors stay valid when a disk is unmounted lazily or another is mounted over it, and
// the kernel answers many calls from memory when a disk was pulled. So there are two checks:
// whether the path still leads to the same folder, which costs next to nothing, and whether the
// disk still returns a block.
extension Volume {
    /// Checks that the volume's path still leads to it.
    ///
    /// - Throws: `notFound` when nothing is there, `notAVolume` for another folder.
    public func requireInPlace() throws(StorageError) {
        try onDisk { [self] () throws(StorageError) in try lookForPlace() }
    }

    private func lookForPlace() throws(StorageError) {
        let own = try FileFacts.of(root.number, path: path)
        let found: FileFacts
        do throws(StorageError) {
            var status = stat()
            try call({ .stat($0, path) }) { stat(path, &status) }
            found = FileFacts(status)
        } catch {
            var missing = error
            missing.message = "the volume's folder is not there any more"
            missing.remedy = "Plug in and mount its disk; pacsfs takes it up again by itself"
            throw missing
        }
        guard found.isSameFile(as: own) else {
            throw StorageError(
                .notAVolume, "the volume's disk is not mounted any more, or another one is",
                path: path,
                remedy: "Mount it again; pacsfs takes it up by itself")
        }
        try requireInPlace(Name.blobs, blobs.number)
        try requireInPlace(Name.ledger, ledger.number)
    }

    /// What is stored through an open folder that was moved away would not be found again.
    private func requireInPlace(_ name: String, _ folder: Int32) throws(StorageError) {
        let own = try FileFacts.of(folder, path: root.path(of: name))
        if let found = try root.facts(name), found.isSameFile(as: own) { return }
        throw StorageError(
            .notAVolume, "the folder \(name) of the volume was moved away or replaced",
            path: root.path(of: name),
            remedy: "Put it back; pacsfs takes the volume up by itself")
    }

    /// Reads the identity file from the disk, past the page cache where the file system can.
    ///
    /// - Throws: `io` when the disk does not answer, `notAVolume` when the file has gone or is
    ///   another one.
    public func probe() throws(StorageError) {
        try onDisk { [self] () throws(StorageError) in
            try readIdentity()
            // To take away a name that is not there changes nothing, and waits as every change
            // does while a file system is frozen (fsfreeze(8)) or recovers.
            do throws(StorageError) {
                try committing.remove("probe of nothing\(Self.partialSuffix)")
            } catch {
                if error.code != .readOnly { throw error }
            }
        }
    }

    private func readIdentity() throws(StorageError) {
        let name = root.path(of: Name.identity)
        // As large and aligned as O_DIRECT may require.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 65536)
        defer { buffer.deallocate() }
        func read(_ flags: Int32) throws(StorageError) -> Int {
            let file = try root.openFile(Name.identity, O_RDONLY | flags)
            return try call({ .read($0, name) }) {
                pread(file.number, buffer.baseAddress, buffer.count, 0)
            }
        }
        let count: Int
        do throws(StorageError) {
            count = try read(PACSFS_O_DIRECT)
        } catch {
            // The file system cannot read past the page cache.
            guard error.isUnsupported else { throw error }
            count = try read(0)
        }
        let found = try VolumeIdentity(fileContent: Array(buffer.prefix(count)), path: name)
        guard found.volume == identity.volume else {
            throw StorageError(
                .notAVolume, "the identity file is that of another volume", path: name,
                remedy: "Put back the file that was there, or add the folder as a new volume")
        }
    }
}

extension Volume {
    /// Whether its file system is read-only, by its mount options: perhaps since an error, which
    /// not all file systems report through statvfs(3) (ext4's `emergency_ro`).
    ///
    /// - Throws: `io` when the disk does not answer.
    ///
    /// See: 'man 5 proc_pid_mountinfo'
    public func isMountedReadOnly() throws(StorageError) -> Bool {
        try onDisk { [self] () throws(StorageError) in try hasReadOnlyMount() }
    }

    private func hasReadOnlyMount() throws(StorageError) -> Bool {
        if try space().isReadOnly { return true }
        let own = try FileFacts.of(root.number, path: path).device
        let device = "\(gnu_dev_major(dev_t(own))):\(gnu_dev_minor(dev_t(own)))"
        let mount = MountedFileSystem.all().first { $0.device == device }
        return mount?.superOptions.contains { $0 == "ro" || $0 == "emergency_ro" } ?? false
    }

    /// Makes and removes a file, to find out whether the volume can be written to.
    ///
    /// - Throws: `readOnly`, `io`.
    public func probeWriting() throws(StorageError) {
        try onDisk { [self] () throws(StorageError) in
            let name = "probe\(Self.partialSuffix)"
            // Anything may have the name.
            try committing.remove(name)
            _ = try committing.openFile(name, O_WRONLY | O_CREAT | O_EXCL)
            try committing.remove(name)
        }
    }
}

/// Identifies the state of a blob's file: any change through the file system gives it another
/// time of change (inode(7), st_ctim), and another file has another number.
public struct BlobStamp: Hashable, Sendable {
    var inode: UInt64
    /// The size of the file.
    public private(set) var bytes: Int64
    /// ns since 1970.
    var modified: Int64
    /// ns since 1970.
    var changed: Int64

    init(_ facts: FileFacts) {
        inode = facts.inode
        bytes = facts.bytes
        modified = facts.modified
        changed = facts.changed
    }

    /// Whether a further change at this moment may leave the time of change as it is. Most file
    /// systems take it from a clock that ticks every 10 ms at the slowest, FAT has steps of 2 s.
    ///
    /// - Parameter time: Of the system's clock, ns since 1970.
    public func isAmbiguous(at time: Int64) -> Bool {
        let step: UInt64 = changed % 1_000_000_000 == 0 ? 2_000_000_000 : 20_000_000
        return (time &- changed).magnitude < step
    }
}

extension Volume {
    /// The stamp of a blob; `nil` when it is not there or cannot be opened: a file system whose
    /// disk was pulled answers with sizes and times from memory, but opens nothing.
    public func stamp(of digest: Digest) -> BlobStamp? {
        let stamp = try? onDisk { [self] () throws(StorageError) -> BlobStamp? in
            let file = try openBlob(digest)
            let facts = try file.facts(path: path)
            return facts.isRegular ? BlobStamp(facts) : nil
        }
        return stamp ?? nil
    }

    /// The stamp of an open blob.
    ///
    /// - Throws: `io`.
    public func stamp(ofOpen descriptor: Int32) throws(StorageError) -> BlobStamp {
        try onDisk { [path] () throws(StorageError) in
            BlobStamp(try FileFacts.of(descriptor, path: path))
        }
    }
}
