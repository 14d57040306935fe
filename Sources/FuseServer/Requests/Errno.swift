import Archive
import Glibc

/// An error number as a system call returns it. This folder is the only place that knows any.
struct Errno: Error, Equatable {
    var code: Int32

    init(_ code: Int32) { self.code = code }

    /// Of the call that just failed.
    static var last: Errno { Errno(errno) }

    /// Runs `body` and turns what it throws into the number a program understands.
    static func from<R>(_ body: () throws -> R) throws(Errno) -> R {
        do {
            return try body()
        } catch let error as Errno {
            throw error
        } catch let error as ArchiveError {
            throw Errno(error.code.errno)
        } catch {
            throw Errno(EIO)
        }
    }
}

extension ArchiveError.Code {
    /// What `close()`, `open()` or `rename()` say.
    var errno: Int32 {
        switch self {
        case .noSpace: ENOSPC
        case .locked: EBUSY
        case .shuttingDown: ESHUTDOWN
        default: EIO
        }
    }
}
