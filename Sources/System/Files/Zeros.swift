/// The zeros of holes, for those who need to see them.
public enum Zeros {
    /// Calls `body` with as many zeros as there are bytes in a hole, in pieces.
    public static func forEach<Failure: Error>(
        in hole: Range<Int64>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Int(min(1 << 18, max(1, Int64(hole.count)))), alignment: 64)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        var left = hole.upperBound - hole.lowerBound
        while left > 0 {
            let count = Int(min(Int64(buffer.count), left))
            try body(UnsafeRawBufferPointer(rebasing: buffer.prefix(count)))
            left -= Int64(count)
        }
    }
}
