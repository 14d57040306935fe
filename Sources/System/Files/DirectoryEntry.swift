import Glibc

/// An entry of a directory, valid until the next one is read.
///
/// See: 'man 3 readdir'
public struct DirectoryEntry {
    /// The bytes of the name.
    public var name: UnsafeRawBufferPointer
    public var inode: UInt64
    /// `DT_REG`, `DT_DIR`, …; `DT_UNKNOWN` where the file system does not say.
    public var type: UInt8

    /// The name for messages and calls; bytes that are not UTF-8 show as U+FFFD.
    public var text: String { String(decoding: name, as: UTF8.self) }

    /// Calls `body` with each entry except `.` and `..`, in no order, in constant memory.
    ///
    /// - Parameter directory: An open directory; its position is not moved.
    /// - Throws: The ``Errno`` of opening or reading the directory, or what `body` throws, which
    ///   ends the iteration.
    public static func forEach<Failure: Error>(
        in directory: Int32, orThrow failure: (Errno) -> Failure,
        _ body: (DirectoryEntry) throws(Failure) -> Void
    ) throws(Failure) {
        // A stream moves the position of its descriptor, so it gets one of its own.
        let copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw failure(.last) }
        guard let stream = fdopendir(copy) else {
            let error = Errno.last
            close(copy)
            throw failure(error)
        }
        defer { closedir(stream) }
        while true {
            errno = 0
            let next = readdir(stream)
            let error = Errno.last
            // However many there are, the disk is asked for a few at a time.
            DiskWork.goesOn()
            guard let entry = next else {
                if error.code != 0 { throw failure(error) }
                return
            }
            // The structure is as long as its name, not as long as it is declared.
            guard let start = UnsafeRawPointer(entry.pointer(to: \.d_name)) else { continue }
            let name = UnsafeRawBufferPointer(
                start: start, count: strlen(start.assumingMemoryBound(to: CChar.self)))
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            try body(
                DirectoryEntry(
                    name: name, inode: UInt64(entry.pointee.d_ino), type: entry.pointee.d_type))
        }
    }

    /// The names in a directory except `.` and `..`, in no order.
    ///
    /// - Throws: The ``Errno`` of opening or reading the directory.
    public static func names(in directory: Int32) throws(Errno) -> [[UInt8]] {
        var names: [[UInt8]] = []
        try forEach(in: directory, orThrow: { $0 }) { (entry) throws(Errno) in
            names.append([UInt8](entry.name))
        }
        return names
    }
}
