import Storage

/// Why the archive could not do what it was asked to.
public struct ArchiveError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private let name: String
        private init(_ name: String) { self.name = name }

        /// Too little room on the volumes for the copies that are wanted.
        public static let noSpace = Code("noSpace")
        /// Too few volumes, or one that fails.
        public static let storage = Code("storage")
        /// There is no such archive, image or file.
        public static let notFound = Code("notFound")
        /// Another process has the archive.
        public static let locked = Code("locked")
        /// `pacsfs.toml` or an argument makes no sense.
        public static let configuration = Code("configuration")
        /// The index is damaged.
        public static let index = Code("index")
        /// Every copy of an image is damaged or gone.
        public static let noGoodCopy = Code("noGoodCopy")
        /// The daemon is being stopped.
        public static let shuttingDown = Code("shuttingDown")
    }

    public var code: Code
    /// What happened, to which file, and what to do next.
    public var message: String
    public var description: String { message }

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: StorageError) {
        let code: Code =
            switch error.code {
            case .noSpace: .noSpace
            case .notFound: .notFound
            case .inUse: .locked
            case .notAVolume, .wrongArchive, .newerFormat, .notEmpty: .configuration
            default: .storage
            }
        self.init(code, error.description)
    }

    /// Runs `body` and gives what it throws the shape of an `ArchiveError`.
    static func from<R>(_ body: () throws -> R) throws(ArchiveError) -> R {
        do {
            return try body()
        } catch let error as ArchiveError {
            throw error
        } catch let error as StorageError {
            throw ArchiveError(error)
        } catch {
            throw ArchiveError(.index, "\(error)")
        }
    }
}
