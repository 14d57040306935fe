import Glibc

extension Directory {
    /// A name in a folder, good until the next one is read.
    struct Entry {
        /// The bytes of the name.
        var name: UnsafeRawBufferPointer
        /// What the file system numbers the file by.
        var inode: UInt64
        /// `DT_REG`, `DT_DIR`, …; `DT_UNKNOWN` when the file system does not say it here.
        var type: UInt8

        /// The name for messages and calls; one that is not UTF-8 is shown with U+FFFD.
        var text: String { String(decoding: name, as: UTF8.self) }
    }

    /// Calls `body` with each entry but `.` and `..`, in no order, however many there are.
    ///
    /// See: 'man 3 readdir'
    func forEachEntry(
        _ body: (Entry) throws(StorageError) -> Void
    ) throws(StorageError) {
        // A descriptor of its own: a directory stream moves the position of the one it has.
        let again = try call({ .open($0, path) }) {
            openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        }
        guard let stream = fdopendir(again) else {
            let error = StorageError.list(errno, path)
            _ = close(again)
            throw error
        }
        defer { closedir(stream) }
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw .list(errno, path) }
                return
            }
            // The structure is as long as its name, not as long as it is declared.
            guard let start = UnsafeRawPointer(entry.pointer(to: \.d_name)) else { continue }
            let name = UnsafeRawBufferPointer(
                start: start, count: strlen(start.assumingMemoryBound(to: CChar.self)))
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            try body(
                Entry(name: name, inode: UInt64(entry.pointee.d_ino), type: entry.pointee.d_type))
        }
    }
}
