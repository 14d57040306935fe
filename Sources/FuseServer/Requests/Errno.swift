import Archive
import Glibc
import System

// What programs are told: the only place outside System and Storage that makes error numbers.
extension Errno {
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
