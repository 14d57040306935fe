import Glibc

/// Bytes that can be read at any place: a file, a piece of memory, a staged upload.
public protocol ByteSource {
    /// The number of bytes.
    var size: UInt64 { get }

    /// Copies bytes into `buffer`, as many as it holds or as there are.
    ///
    /// - Parameter offset: The first byte wanted, below `size`.
    /// - Returns: The number of bytes copied; fewer than `buffer.count` only at the end.
    /// - Throws: `ReadError` with code `io` when the medium fails.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(ReadError)
        -> Int
}

/// A piece of memory as a source of bytes.
public struct BufferSource: ByteSource {
    private enum Bytes {
        case owned([UInt8])
        case borrowed(UnsafeRawBufferPointer)
    }
    private let bytes: Bytes

    public init(_ bytes: [UInt8]) { self.bytes = .owned(bytes) }

    /// Reads from memory that must stay valid as long as the source is used.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = .borrowed(bytes) }

    public var size: UInt64 {
        switch bytes {
        case .owned(let array): UInt64(array.count)
        case .borrowed(let buffer): UInt64(buffer.count)
        }
    }

    public func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ReadError) -> Int {
        switch bytes {
        case .owned(let array): array.withUnsafeBytes { Self.copy($0, offset, buffer) }
        case .borrowed(let memory): Self.copy(memory, offset, buffer)
        }
    }

    private static func copy(
        _ source: UnsafeRawBufferPointer, _ offset: UInt64, _ target: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard offset < UInt64(source.count) else { return 0 }
        let first = Int(offset)
        let length = min(target.count, source.count - first)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[first..<first + length]))
        return length
    }
}

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
