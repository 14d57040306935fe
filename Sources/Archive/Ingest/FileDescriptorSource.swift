import DICOM
import Glibc
import System

/// An open file as the bytes from which a header is read: where DICOM, which knows no files, and
/// the files of an archive meet. It does not own the descriptor.
public struct FileDescriptorSource: ByteSource, Sendable {
    /// The open file descriptor.
    public let descriptor: Int32
    /// The number of bytes.
    public let size: UInt64

    /// A source over a file whose size is known.
    ///
    /// - Parameters:
    ///   - descriptor: The open file descriptor.
    ///   - size: Bytes of the file.
    public init(descriptor: Int32, size: UInt64) {
        self.descriptor = descriptor
        self.size = size
    }

    /// A source over an open file; asks the kernel for its size.
    ///
    /// - Parameter descriptor: The open file descriptor.
    /// - Throws: `ReadError` with code `io` when fstat(2) fails.
    public init(descriptor: Int32) throws(ReadError) {
        var status = stat()
        do throws(Errno) {
            try systemCall { fstat(descriptor, &status) }
        } catch {
            throw .unreadable("The size of the file cannot be read", error, offset: 0)
        }
        self.init(descriptor: descriptor, size: UInt64(max(0, status.st_size)))
    }

    /// Copies bytes into `buffer`, as many as fit or as there are.
    ///
    /// - Parameters:
    ///   - offset: The first byte wanted.
    ///   - buffer: Where the bytes go.
    /// - Returns: The number of bytes copied; fewer than `buffer.count` only at the end.
    /// - Throws: `ReadError` with code `io` when pread(2) fails.
    public func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ReadError) -> Int {
        var done = 0
        while done < buffer.count, let target = buffer.baseAddress {
            let position = off_t(truncatingIfNeeded: offset) + off_t(done)
            let count: Int
            do throws(Errno) {
                // See: 'man 2 pread'
                count = try systemCall {
                    pread(descriptor, target + done, buffer.count - done, position)
                }
            } catch {
                throw .unreadable(
                    "The file cannot be read", error, offset: offset + UInt64(done))
            }
            DiskWork.goesOn()
            if count == 0 { break }
            done += count
        }
        return done
    }
}
