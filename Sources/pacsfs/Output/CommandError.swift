import Glibc
import System

/// Why a command cannot do what it was asked to.
typealias CommandError = CodedError<CommandErrorCode>

enum CommandErrorCode: Sendable {
    /// There is no such archive, image, file or mount.
    case notFound
    /// This user may not read or use it.
    case notAllowed
    /// An argument does not fit.
    case wrongArgument
    /// A program that is needed is not installed.
    case missingProgram
    /// A system call failed.
    case system
    /// The daemon could not do it, and says why.
    case refused
    /// The daemon is another version of pacsfs.
    case foreignDaemon
    /// The daemon has ended, or did not start.
    case noDaemon
}

extension CommandError {
    /// A file that is named by an argument and cannot be read.
    static func unreadable(_ path: String, _ cause: Errno) -> CommandError {
        let remedy =
            switch cause.code {
            case ENOENT, ENOTDIR: "Check the spelling."
            case EACCES, EPERM: "Run the command as a user who may read it."
            default: ""
            }
        return CommandError(
            cause.code == ENOENT || cause.code == ENOTDIR ? .notFound : .notAllowed,
            "\(path) cannot be read", remedy: remedy, cause: cause)
    }
}
