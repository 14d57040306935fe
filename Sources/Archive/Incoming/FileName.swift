import Glibc

/// File names are bytes, in any encoding or none, so they are never `String` on their way to a
/// system call.
extension [UInt8] {
    /// Calls `body` with these bytes and a NUL behind them.
    public func withCString<R>(_ body: (UnsafePointer<CChar>) -> R) -> R {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { buffer in
            for (index, byte) in enumerated() { buffer[index] = CChar(bitPattern: byte) }
            buffer[count] = 0
            guard let base = buffer.baseAddress else {
                preconditionFailure("capacity is at least 1")
            }
            return body(UnsafePointer(base))
        }
    }

    public init(cString: UnsafePointer<CChar>) {
        self = [UInt8](UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
    }
}
