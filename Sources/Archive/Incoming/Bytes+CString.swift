import Glibc
import System

/// File names are bytes, in any encoding or none, so they are never `String` on their way to a
/// system call.
extension [UInt8] {
    public init(cString: UnsafePointer<CChar>) {
        self = [UInt8](UnsafeRawBufferPointer(start: cString, count: strlen(cString)))
    }
}
