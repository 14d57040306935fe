import CZlib
import Glibc

/// Inflates a deflated data set in pieces, only as far as the caller asks.
///
/// PS3.5 A.5 requires a raw deflate stream (RFC 1951). Some writers put it into a zlib frame
/// (RFC 1950), which is recognised by its two header bytes.
final class Inflater {
    /// The most bytes that are inflated to find the end of a header: 16 MiB.
    static let mostBytes = 16 << 20
    private static let chunk = 16384
    /// Pieces of 64 KiB, 4 GiB in all.
    private static let mostPieces = 1 << 16

    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawPointer
    private let source: any ByteSource
    private var next: Int
    private var produced = 0
    private var isFinished = false
    private var isCorrupt = false

    init(_ source: any ByteSource, from offset: Int) throws(Fault) {
        self.source = source
        next = offset
        input = .allocate(byteCount: Self.chunk, alignment: 16)
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        try fill()
        let bits = Self.isWrapped(input, Int(stream.pointee.avail_in)) ? MAX_WBITS : -MAX_WBITS
        let status = inflateInit2_(stream, bits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else { throw .data(.deflateCorrupt, at: offset) }
    }

    deinit {
        inflateEnd(stream)
        stream.deinitialize(count: 1)
        stream.deallocate()
        input.deallocate()
    }

    /// The offset in the file up to which the bytes have been used.
    var consumed: Int { next - Int(stream.pointee.avail_in) }

    /// Inflates up to `target.count` bytes.
    ///
    /// - Returns: The number of bytes, 0 at the end of the stream or of the file.
    func inflate(into target: UnsafeMutableRawBufferPointer) throws(Fault) -> Int {
        stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(target.count)
        while !isFinished, !isCorrupt, Int(stream.pointee.avail_out) == target.count {
            if stream.pointee.avail_in == 0 { try fill() }
            if stream.pointee.avail_in == 0 {
                isFinished = true
                break
            }
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            if status == Z_STREAM_END {
                isFinished = true
            } else if status != Z_OK {
                isCorrupt = true  // the bytes before are good
                break
            }
        }
        let got = target.count - Int(stream.pointee.avail_out)
        produced += got
        if isCorrupt && got == 0 { throw .data(.deflateCorrupt, at: produced) }
        guard produced <= Self.mostBytes else { throw .data(.deflateTooLong, at: produced) }
        return got
    }

    /// Inflates the rest and discards it.
    ///
    /// - Returns: False if the file ends before the stream does. True also if the stream is
    ///   damaged, or longer than any data set.
    func reachesEnd() throws(Fault) -> Bool {
        let discarded = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { discarded.deallocate() }
        for _ in 0..<Self.mostPieces {
            stream.pointee.next_out = discarded.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(discarded.count)
            if stream.pointee.avail_in == 0 { try fill() }
            let status = CZlib.inflate(stream, Z_NO_FLUSH)
            // No progress: there is nothing more to inflate.
            if status == Z_BUF_ERROR { return false }
            if status != Z_OK { return true }
        }
        return true
    }

    private func fill() throws(Fault) {
        let left = Int(clamping: source.size) - next
        guard left > 0 else { return }
        let target = UnsafeMutableRawBufferPointer(start: input, count: min(left, Self.chunk))
        let got: Int
        do throws(ReadError) {
            got = try source.read(at: UInt64(next), into: target)
        } catch {
            throw .source(error)
        }
        guard got >= 0 && got <= target.count else { throw .data(.io, at: next) }
        next += got
        stream.pointee.next_in = input.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(got)
    }

    /// A zlib header is 0x78 and a check byte; as raw deflate 0x78 begins a stored block,
    /// whose length is followed by its complement.
    private static func isWrapped(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        guard count >= 5 else { return false }
        func byte(_ index: Int) -> Int { Int(bytes.load(fromByteOffset: index, as: UInt8.self)) }
        guard byte(0) == 0x78, (byte(0) << 8 | byte(1)) % 31 == 0 else { return false }
        return byte(1) ^ byte(3) != 0xFF || byte(2) ^ byte(4) != 0xFF
    }
}
