import Foundation
import Offsite
import Storage
import System
import TagIndex

/// Why the archive could not do something.
public struct ArchiveError: DescribedError {
    public struct Code: Hashable, Sendable {
        private let name: String
        private init(_ name: String) { self.name = name }

        /// Too little space on the volumes for the copies that are wanted.
        public static let noSpace = Code("noSpace")
        /// Too few volumes, or one that fails.
        public static let storage = Code("storage")
        /// There is no such archive, image or file.
        public static let notFound = Code("notFound")
        /// Another process has the archive.
        public static let locked = Code("locked")
        /// `pacsfs.toml` or an argument makes no sense.
        public static let configuration = Code("configuration")
        /// The index is damaged; another one, made from the ledger, would help.
        public static let index = Code("index")
        /// The index cannot be read or written, and another one would not help.
        public static let indexAccess = Code("indexAccess")
        /// A file of the archive's directory cannot be read or written.
        public static let file = Code("file")
        /// The system has no threads, descriptors or memory left.
        public static let resources = Code("resources")
        /// A newer pacsfs wrote a record that this one does not understand.
        public static let newerFormat = Code("newerFormat")
        /// Every copy of an image is damaged or gone.
        public static let noGoodCopy = Code("noGoodCopy")
        /// The same, and it is off-site.
        public static let onlyOffsite = Code("onlyOffsite")
        /// Something could not be brought to a remote, or fetched from there.
        public static let offsite = Code("offsite")
        /// The daemon is being stopped.
        public static let shuttingDown = Code("shuttingDown")
        /// Something that pacsfs does not expect: a mistake in pacsfs.
        public static let unexpected = Code("unexpected")
    }

    public var code: Code
    /// What happened. It may say by itself to which file, and what to do next.
    public var message: String
    public var path: String?
    public var cause: (any Error)?
    public var remedy: String
    /// Where in `pacsfs.toml`, when that is what is wrong.
    public var place: ConfigurationPlace?

    public init(
        _ code: Code, _ message: String, path: String? = nil, cause: (any Error)? = nil,
        remedy: String = "", at place: ConfigurationPlace? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.cause = cause
        self.remedy = remedy
        self.place = place
    }

    /// The same error about a file that is named first.
    ///
    /// - Parameter sentence: Such as "a.dcm was not archived."
    func prefixed(_ sentence: String) -> ArchiveError {
        var error = self
        error.message = "\(sentence) \(message)"
        return error
    }
}

extension ArchiveError {
    /// Something else has the name of a file of the archive's directory: to read a FIFO would wait.
    init(notAPlainFile path: String) {
        self.init(
            .configuration, "This is not a plain file", path: path,
            remedy: "Look at what it is, and put back the file that was there.")
    }

    /// Runs `body` and gives what it throws the shape of an `ArchiveError`.
    static func from<R>(_ body: () throws -> R) throws(ArchiveError) -> R {
        do { return try body() } catch { throw ArchiveError(error) }
    }

    /// The error of the archive that belongs to any error of its parts.
    init(_ error: any Error) {
        switch error {
        case let error as ArchiveError: self = error
        case let error as StorageError: self.init(error)
        case let error as OffsiteError:
            self.init(
                .offsite, error.message, path: error.path, cause: error.cause,
                remedy: error.remedy)
        case let error as Errno:
            self.init(.resources, "A system call failed", cause: error, remedy: "See the log.")
        case let error as IndexError:
            self.init(
                error.code == .badQuery ? .configuration : .index, error.message,
                path: error.path, cause: error.cause, remedy: error.remedy)
        case let error where IndexError.isDamage(error):
            self.init(
                .index, "The index is damaged", cause: error,
                remedy: "Unmount the archive and mount it again, which makes the index anew.")
        case let error where IndexError.isFull(error):
            self.init(
                .noSpace, "The disk of the archive's directory is full: the index cannot grow",
                cause: error, remedy: "Make room there; the archive goes on by itself.")
        case let error where IndexError.isOfDatabase(error):
            self.init(
                .indexAccess, "The index cannot be read or written", cause: error,
                remedy: "Is the disk of the archive's directory full, or read-only?")
        case let error as CocoaError: self.init(error)
        default:
            self.init(
                .unexpected, "An unexpected error", cause: error,
                remedy: "This is a mistake in pacsfs: please report it.")
        }
    }

    private init(_ error: StorageError) {
        let code: Code =
            switch error.code {
            case .noSpace: .noSpace
            case .notFound: .notFound
            case .inUse: .locked
            case .notAVolume, .wrongArchive, .newerFormat, .notEmpty: .configuration
            case .tooManyOpenFiles, .outOfMemory: .resources
            default: .storage
            }
        self.init(
            code, error.message, path: error.path, cause: error.cause, remedy: error.remedy)
    }

    /// The error of the system call below an error of Foundation.
    static func cause(of error: any Error) -> any Error {
        guard let below = (error as? CocoaError)?.underlying as? POSIXError else { return error }
        return Errno(below.code.rawValue)
    }

    /// Foundation could not read or write a file.
    private init(_ error: CocoaError) {
        let isFull = error.code == .fileWriteOutOfSpace
        self.init(
            isFull ? .noSpace : .file, "A file of the archive cannot be read or written",
            path: error.filePath ?? error.url?.path,
            cause: Self.cause(of: error),
            remedy: isFull
                ? "Make room on the disk of the archive's directory."
                : "Let the user that pacsfs runs as own the archive's directory.")
    }
}
