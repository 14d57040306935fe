import Glibc

/// The error number of a system call.
///
/// See: 'man 3 errno'
public struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
    /// `ENOENT`, `EIO` and so on.
    public var code: Int32

    public init(_ code: Int32) { self.code = code }

    /// The number that the last failed call of this thread left.
    public static var last: Errno { Errno(errno) }

    /// What the C library calls it, such as "No such file or directory".
    ///
    /// See: 'man 3 strerror_r'
    public var description: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let text = buffer.baseAddress else { return "error \(code)" }
            // The XSI variant, which Swift's Glibc module imports, always fills the buffer.
            _ = strerror_r(code, text, buffer.count)
            return String(cString: text)
        }
    }
}

/// Makes a system call, and makes it again while signals interrupt it.
///
/// When it returns, the disk that it may be about has answered: see ``DiskWork/goesOn()``.
///
/// - Parameter body: The call; it returns -1 and sets `errno` when it fails.
/// - Returns: What the call returned.
/// - Throws: The ``Errno`` of the call, never `EINTR`.
@discardableResult
@inlinable
@inline(__always)
public func systemCall<Status: SignedInteger>(_ body: () -> Status) throws(Errno) -> Status {
    while true {
        let status = body()
        let error = status == -1 ? Errno.last : nil
        DiskWork.goesOn()
        guard let error else { return status }
        if error.code != EINTR { throw error }
    }
}

extension Array where Element == UInt8 {
    /// Lends a name or path, which holds no zero byte, to a system call.
    public func withCString<R>(_ body: (UnsafePointer<CChar>) throws -> R) rethrows -> R {
        try withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { buffer in
            for (index, byte) in enumerated() { buffer[index] = CChar(bitPattern: byte) }
            buffer[count] = 0
            // A temporary allocation of at least one element has an address.
            return try body(UnsafePointer(buffer.baseAddress!))
        }
    }
}
