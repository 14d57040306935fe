import DICOM
import DICOMSupport
import Testing

/// Counts the requests to a source, and fails the test on a request beyond its end.
final class GuardedSource: ByteSource {
    private let bytes: [UInt8]
    private(set) var requested = 0
    /// The end of the furthest request, in bytes.
    private(set) var furthest: UInt64 = 0
    private(set) var requests = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var size: UInt64 { UInt64(bytes.count) }

    func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ReadError) -> Int {
        let end = offset + UInt64(buffer.count)
        if end > size || buffer.isEmpty {
            Issue.record("read of \(buffer.count) bytes at \(offset) of \(size)")
            return 0
        }
        requests += 1
        requested += buffer.count
        furthest = max(furthest, end)
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)..<Int(end)]))
        }
        return buffer.count
    }
}

/// Fails as a disk with a bad sector does.
struct FailingSource: ByteSource {
    let bytes: [UInt8]
    /// Reading this byte or a later one fails.
    let bad: Int
    var size: UInt64 { UInt64(bytes.count) }

    func read(
        at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
    ) throws(ReadError) -> Int {
        if Int(offset) + buffer.count > bad {
            throw ReadError(code: .io, offset: UInt64(bad), message: "bad sector")
        }
        return try BufferSource(bytes).read(at: offset, into: buffer)
    }
}
