import Archive
import CLinux
import Glibc
import System

// What programs ask of a file besides reading and writing: that it is on disk, that there is
// room for it, and where its holes are.
extension BackedTree {
    /// FSYNC. After it the file survives a power cut, and so does its name: not every program
    /// syncs the folders as well, as fsync(2) asks for. A file that was not closed then is set
    /// aside by the next start, or waits under its temporary name.
    func sync(_ handle: BackedHandle, dataOnly: Bool) throws(Errno) {
        let descriptor = try descriptor(of: handle)
        guard (dataOnly ? fdatasync(descriptor.number) : fsync(descriptor.number)) == 0 else {
            throw .last
        }
        let folder = locked { (try? node(handle.number))?.parent.map(\.path) }
        if let folder { try syncFolders(from: folder) }
    }

    /// FSYNCDIR.
    func syncDirectory(_ number: UInt64) throws(Errno) {
        let path = try locked { () throws(Errno) -> [UInt8]? in
            let node = try node(number)
            return node.isRemoved ? nil : node.path
        }
        if let path { try syncFolders(from: path) }
    }

    /// Makes the names in a folder durable, and those of the folders it is in.
    func syncFolders(from path: [UInt8]) throws(Errno) {
        var path = path
        while true {
            let folder: SharedDescriptor
            do {
                folder = try SharedDescriptor(at: directory, path, flags: O_RDONLY | O_DIRECTORY)
            } catch {
                // Renamed or removed meanwhile, by somebody who may sync it himself.
                if error.code == ENOENT { return }
                throw error
            }
            // File systems without such a thing say EINVAL.
            guard fsync(folder.number) == 0 || errno == EINVAL else { throw .last }
            if path == [UInt8(ascii: ".")] { return }
            path =
                path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[..<$0]) } ?? [
                    UInt8(ascii: ".")
                ]
        }
    }

    /// Modes of fallocate(2), from linux/falloc.h, that the kernel passes on.
    private enum AllocationMode {
        static let keepSize: Int32 = 1
        static let punchHole: Int32 = 2
        static let zeroRange: Int32 = 16
    }

    /// FALLOCATE.
    ///
    /// - throws: EOPNOTSUPP for modes that move bytes, or that the file system below has not
    func allocate(_ handle: BackedHandle, mode: Int32, offset: Int, length: Int) throws(Errno) {
        guard handle.canWrite else { throw Errno(EBADF) }
        let (clears, keepsSize) = (
            mode & (AllocationMode.punchHole | AllocationMode.zeroRange) != 0,
            mode & AllocationMode.keepSize != 0
        )
        let known = AllocationMode.keepSize | AllocationMode.punchHole | AllocationMode.zeroRange
        guard mode & ~known == 0 else { throw Errno(EOPNOTSUPP) }
        if mode & AllocationMode.punchHole == 0 { try checkRoom(to: offset + length) }
        try locked { () throws(Errno) in
            let file = handle.file
            if file.state.withLock({ $0.isFrozen }) {
                try thaw(node(handle.number), file, keepingBytes: true)
            }
            let descriptor = try descriptor(of: handle)
            let before = try descriptor.status().st_size
            while fallocate(descriptor.number, mode, off_t(offset), off_t(length)) != 0 {
                guard errno == EINTR else { throw .last }
            }
            guard clears || !keepsSize else { return }
            file.state.withLock { state in
                if clears { state.digest = nil }
                if !keepsSize, offset + length > before {
                    state.resized(from: before, to: offset + length)
                }
                state.isChanged = true
                state.status = .new
                state.overrides?.modified = nil
            }
        }
    }

    /// LSEEK: where data or a hole begins (lseek(2), SEEK_DATA and SEEK_HOLE).
    func seek(_ handle: BackedHandle, to offset: Int, whence: Int32) throws(Errno) -> Int {
        // Reads and writes give their own offsets, so that its position is nobody's.
        let result = lseek(try descriptor(of: handle).number, offset, whence)
        guard result >= 0 else { throw .last }
        return result
    }
}
