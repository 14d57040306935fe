import CLinux
import Glibc

extension SharedDescriptor {
    /// The two ends of a pipe, which no program inherits by itself.
    ///
    /// - Throws: `EMFILE` and `ENFILE`. See: 'man 2 pipe'
    public static func pipe() throws(Errno) -> (reader: SharedDescriptor, writer: SharedDescriptor)
    {
        var ends: [Int32] = [-1, -1]
        try systemCall { pipe2(&ends, O_CLOEXEC) }
        return (SharedDescriptor(owning: ends[0]), SharedDescriptor(owning: ends[1]))
    }
}
