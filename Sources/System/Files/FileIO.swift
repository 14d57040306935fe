import Glibc

/// Reads and writes at offsets until everything asked for is done.
public enum FileIO {
    /// Fills `buffer` from `offset`; fewer bytes only at the end of the file.
    ///
    /// - Returns: The number of bytes read.
    /// - Throws: The ``Errno`` of `pread(2)`.
    public static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(Errno) -> Int {
        var done = 0
        while done < buffer.count {
            let count = try systemCall {
                pread(
                    descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                    off_t(offset) + off_t(done))
            }
            DiskWork.goesOn()
            if count == 0 { break }
            done += count
        }
        return done
    }

    /// Writes all of `buffer` at `offset`.
    ///
    /// - Throws: The ``Errno`` of `pwrite(2)`.
    public static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: Int64
    ) throws(Errno) {
        var done = 0
        while done < buffer.count {
            done += try systemCall {
                pwrite(
                    descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done,
                    off_t(offset) + off_t(done))
            }
            DiskWork.goesOn()
        }
    }

    /// The bytes from `offset` on, at most `count`.
    ///
    /// - Throws: The ``Errno`` of `pread(2)`.
    public static func bytes(
        _ descriptor: Int32, at offset: Int64, count: Int
    ) throws(Errno) -> [UInt8] {
        // Straight into its place: it may be large.
        var result: Result<Void, Errno> = .success(())
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
            result = Result { () throws(Errno) in
                done = try read(
                    descriptor, into: UnsafeMutableRawBufferPointer(buffer), at: offset)
            }
        }
        try result.get()
        return bytes
    }

    /// Everything up to the end of a small file, such as one of /proc, which has no size and is
    /// handed out a page at a time.
    ///
    /// - Parameter limit: At most so many bytes.
    /// - Throws: The ``Errno`` of `open(2)` or `read(2)`.
    public static func content(
        of path: String, at directory: Int32 = AT_FDCWD, limit: Int = .max
    ) throws(Errno) -> [UInt8] {
        let file = try Descriptor(opening: path, at: directory, O_RDONLY | O_NOCTTY | O_NONBLOCK)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        var content: [UInt8] = []
        while content.count < limit {
            let count = try systemCall {
                Glibc.read(
                    file.number, buffer.baseAddress, min(buffer.count, limit - content.count))
            }
            if count == 0 { break }
            content.append(contentsOf: buffer.prefix(count))
        }
        return content
    }
}
