import CLinux
import Glibc
import System

/// An open file that has no name. It goes when nobody has it any more, unless
/// ``Volume/stageLink(from:as:bytes:)`` has given it one.
public final class UnnamedFile: Sendable {
    /// Open for reading and writing; valid as long as this is.
    public let descriptor: Int32
    private let path: String

    fileprivate init(_ descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes` at `offset`.
    ///
    /// - Throws: `noSpace` or `io`.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StorageError) {
        try FileIO.write(descriptor, bytes, at: offset, path: path)
    }
}

extension Volume {
    /// Makes an empty file without a name, for bytes that will be archived and have no file yet.
    ///
    /// - Throws: `io`, `readOnly` and similar codes when the volume accepts no writes.
    ///
    /// See: 'man 2 open', O_TMPFILE
    public func makeUnnamedFile() throws(StorageError) -> UnnamedFile {
        let number = openat(committing.number, ".", PACSFS_O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600)
        if number >= 0 { return UnnamedFile(number, path: committing.path) }
        // File systems without such files: one that loses its name at once; recovery removes
        // it if a crash comes in between.
        guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) else {
            throw .open(errno, committing.path)
        }
        let name = "\(UInt64.random(in: .min ... .max))\(Self.partialSuffix)"
        let file = try committing.openFile(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try committing.remove(name)
        return UnnamedFile(file.release(), path: committing.path)
    }
}
