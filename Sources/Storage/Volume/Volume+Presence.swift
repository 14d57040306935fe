import CLinux
import Glibc
import System

// Whether the volume is still the one that was opened.
//
// Our descriptors stay valid when a disk is unmounted lazily or another is mounted over it, and the
// kernel answers much from memory when a disk was pulled. So there are two checks: whether the path
// still leads to the same folder, which costs almost nothing, and whether the disk still delivers
// a block.
extension Volume {
    /// Asks whether the volume's path still leads to it.
    ///
    /// - Throws: `notFound` when nothing is there, `notAVolume` for another folder.
    public func requireInPlace() throws(StorageError) {
        var status = stat()
        do {
            try call({ .stat($0, path) }) { stat(path, &status) }
        } catch {
            var missing = error
            missing.message = "the volume's folder is not there any more"
            missing.remedy = "Plug in and mount its disk; pacsfs takes it up again by itself"
            throw missing
        }
        var own = stat()
        try call({ .stat($0, path) }) { fstat(root.number, &own) }
        guard status.st_dev == own.st_dev, status.st_ino == own.st_ino else {
            throw StorageError(
                .notAVolume, "the volume's disk is not mounted any more, or another one is",
                path: path,
                remedy: "Mount it again; pacsfs takes it up by itself")
        }
    }

    /// Reads the identity file from the disk, past the page cache where the file system can.
    ///
    /// - Throws: `io` when the disk does not answer, `notAVolume` when the file has gone or is
    ///   another one.
    public func probe() throws(StorageError) {
        let name = root.path(of: Name.identity)
        // As large and aligned as O_DIRECT may ask for.
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 65536)
        defer { buffer.deallocate() }
        var count = -1
        let direct = openat(root.number, Name.identity, O_RDONLY | O_CLOEXEC | PACSFS_O_DIRECT)
        if direct >= 0 {
            let file = Descriptor(owning: direct)
            count = pread(file.number, buffer.baseAddress, buffer.count, 0)
        }
        if count < 0, errno == EINVAL {
            // A file system that has no such thing.
            let file = try root.openFile(Name.identity)
            count = pread(file.number, buffer.baseAddress, buffer.count, 0)
        }
        guard count >= 0 else { throw .read(errno, name) }
        let found = try VolumeIdentity(fileContent: Array(buffer.prefix(count)), path: name)
        guard found.volume == identity.volume else {
            throw StorageError(
                .notAVolume, "the identity file is that of another volume", path: name,
                remedy: "Put back the file that was there, or add the folder as a new volume")
        }
    }
}

extension Volume {
    /// Whether its file system accepts no writes, according to the kernel's options of the mount.
    /// This can follow an error, which not all file systems report to statvfs(3) (ext4's
    /// `emergency_ro`).
    ///
    /// See: 'man 5 proc_pid_mountinfo'
    public func isMountedReadOnly() throws(StorageError) -> Bool {
        if try space().isReadOnly { return true }
        var own = stat()
        try call({ .stat($0, path) }) { fstat(root.number, &own) }
        let device = "\(gnu_dev_major(own.st_dev)):\(gnu_dev_minor(own.st_dev))"
        guard let file = fopen("/proc/self/mountinfo", "re") else { return false }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, file) > 0, let line {
            let fields = String(cString: line).split { $0 == " " || $0 == "\n" }
            guard fields.count > 6, fields[2] == device else { continue }
            return fields[fields.count - 1].split(separator: ",").contains {
                $0 == "ro" || $0 == "emergency_ro"
            }
        }
        return false
    }

    /// Makes and removes a file, to see whether the volume takes anything.
    ///
    /// - Throws: `readOnly`, `io`.
    public func probeWriting() throws(StorageError) {
        let name = "probe\(Self.partialSuffix)"
        _ = try committing.openFile(name, O_WRONLY | O_CREAT)
        try committing.remove(name)
    }
}

/// Identifies the file of a blob that was read before. Any change through the file system gives it
/// another time of change (inode(7), st_ctim), and another file has another inode number.
public struct BlobStamp: Hashable, Sendable {
    var inode: UInt64
    /// The size of the file.
    public private(set) var bytes: Int64
    var changedSeconds: Int64
    var changedNanoseconds: Int64

    init(_ status: stat) {
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        changedSeconds = Int64(status.st_ctim.tv_sec)
        changedNanoseconds = Int64(status.st_ctim.tv_nsec)
    }
}

extension Volume {
    /// The stamp of a blob; `nil` when it does not exist or cannot be opened. A file system whose
    /// disk was pulled still knows sizes and times, but opens no file.
    public func stamp(of digest: Digest) -> BlobStamp? {
        let file = openat(blobs.number, Self.blobName(digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return BlobStamp(status)
    }

    /// The stamp of an open blob.
    ///
    /// - Throws: `io`.
    public func stamp(ofOpen descriptor: Int32) throws(StorageError) -> BlobStamp {
        var status = stat()
        try call({ .stat($0, path) }) { fstat(descriptor, &status) }
        return BlobStamp(status)
    }
}
