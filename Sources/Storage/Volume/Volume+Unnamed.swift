import CLinux
import Glibc
import System

/// An open file without a name. It vanishes when nobody has it open any more, unless
/// ``Volume/stageLink(from:as:bytes:)`` has given it a name.
public final class UnnamedFile: Sendable {
    private let file: SharedDescriptor
    private let path: String

    /// Open for reading and writing; valid as long as this object lives.
    public var descriptor: Int32 { file.number }

    fileprivate init(_ file: consuming Descriptor, path: String) {
        self.file = SharedDescriptor(file)
        self.path = path
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// - Throws: `noSpace` or `io`.
    public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(StorageError) {
        try FileIO.write(descriptor, bytes, at: offset, path: path)
    }
}

extension Volume {
    /// Makes an empty file without a name, for bytes that are to be archived and are in no file
    /// yet.
    ///
    /// - Throws: `io`, `readOnly` and the like when the volume takes no files.
    ///
    /// See: 'man 2 open', O_TMPFILE
    public func makeUnnamedFile() throws(StorageError) -> UnnamedFile {
        try onDisk { [self] () throws(StorageError) in try newUnnamedFile() }
    }

    private func newUnnamedFile() throws(StorageError) -> UnnamedFile {
        do throws(StorageError) {
            let file = try committing.openFile(".", PACSFS_O_TMPFILE | O_RDWR, mode: 0o600)
            return UnnamedFile(file, path: committing.path)
        } catch {
            guard error.meansNoUnnamedFiles else { throw error }
        }
        // A file that loses its name at once; recovery removes it after a crash in between.
        let name = "\(UInt64.random(in: .min ... .max))\(Self.partialSuffix)"
        let file = try committing.openFile(name, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try committing.remove(name)
        return UnnamedFile(file, path: committing.path)
    }
}
