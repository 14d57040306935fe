/// Bytes that can be read at any offset: a file, or memory.
public protocol ByteSource {
    /// The number of bytes.
    var size: UInt64 { get }

    /// Copies bytes into `buffer`, as many as fit or as there are.
    ///
    /// - Parameters:
    ///   - offset: The first byte wanted, below `size`.
    ///   - buffer: Where the bytes go.
    /// - Returns: The number of bytes copied; fewer than `buffer.count` only at the end.
    /// - Throws: `ReadError` with code `io` when the medium fails.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(ReadError)
        -> Int
}
