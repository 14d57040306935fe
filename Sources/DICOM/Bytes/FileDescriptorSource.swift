import Glibc

/// An open file as a source of bytes. It does not own the descriptor.
public struct FileDescriptorSource: ByteSource {
    /// The open file descriptor.
    public let descriptor: Int32
    public let size: UInt64

    /// A source over a file whose size is known.
    public init(descriptor: Int32, size: UInt64) {
        self.descriptor = descriptor
        self.size = size
    }

    /// A source over an open file, whose size is asked for.
    ///
    /// - Throws: `ReadError` with code `io` when fstat(2) fails.
    public init(descriptor: Int32) throws(ReadError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw ReadError.io(errno, offset: 0, doing: "learn the size of the file")
        }
        self.init(descriptor: descriptor, size: UInt64(max(0, status.st_size)))
    }

    public func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ReadError) -> Int {
        var done = 0
        while done < buffer.count, let target = buffer.baseAddress {
            let place = off_t(truncatingIfNeeded: offset) + off_t(done)
            let count = pread(descriptor, target + done, buffer.count - done, place)
            if count > 0 {
                done += count
            } else if count == 0 {
                break
            } else if errno != EINTR {  // See: 'man 2 pread'
                throw ReadError.io(errno, offset: offset + UInt64(done), doing: "read the file")
            }
        }
        return done
    }
}
