import Archive
import Glibc
import System

// The errors that programs get: the only place outside System and Storage that makes error numbers.
extension Errno {
    /// Runs `body` and turns its error into the number for the program.
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
    /// The error of `close()`, `open()` or `rename()`.
    var errno: Int32 {
        switch self {
        case .noSpace: ENOSPC
        case .locked: EBUSY
        case .shuttingDown: ESHUTDOWN
        default: EIO
        }
    }
}
