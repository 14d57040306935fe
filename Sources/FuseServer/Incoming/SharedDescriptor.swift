import Archive
import Glibc

/// An open file that is closed when nobody refers to it any more: a reader may still be in
/// the middle of it when a writer has moved on to a copy.
final class SharedDescriptor: Sendable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    /// `openat(2)` with O_CLOEXEC and O_NOFOLLOW.
    convenience init(
        at directory: Int32, _ path: [UInt8], flags: Int32, mode: mode_t = 0o600
    ) throws(Errno) {
        let number = path.withCString {
            openat(directory, $0, flags | O_CLOEXEC | O_NOFOLLOW, mode)
        }
        guard number >= 0 else { throw .last }
        self.init(number)
    }

    deinit { close(number) }

    func status() throws(Errno) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .last }
        return status
    }
}
