import DICOM

/// Memory as a source of bytes, for tests that read headers.
public struct BufferSource: ByteSource {
    private enum Bytes {
        case owned([UInt8])
        case borrowed(UnsafeRawBufferPointer)
    }
    private let bytes: Bytes

    /// Reads from a copy of some bytes.
    public init(_ bytes: [UInt8]) { self.bytes = .owned(bytes) }

    /// Reads from memory that must stay valid as long as the source is used.
    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = .borrowed(bytes) }

    /// The number of bytes.
    public var size: UInt64 {
        switch bytes {
        case .owned(let array): UInt64(array.count)
        case .borrowed(let buffer): UInt64(buffer.count)
        }
    }

    /// Copies bytes into `buffer`; never fails.
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
