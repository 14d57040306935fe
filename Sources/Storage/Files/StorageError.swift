import System

/// What went wrong in storage: to which file, why, and what can be done about it.
public struct StorageError: DescribedError {
    /// The kind of failure, for a program to act on.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private let name: String

        private init(_ name: String) { self.name = name }

        /// The file system is full, or only the volume's reserve is left.
        public static let noSpace = Code("no space")
        /// The device or the file system failed, or is gone.
        public static let io = Code("input/output")
        /// The disk has not answered for longer than anybody waits for it.
        public static let notAnswering = Code("not answering")
        /// A file, a folder or a record is not there.
        public static let notFound = Code("not found")
        /// A name is taken already.
        public static let alreadyExists = Code("already exists")
        /// The operating system forbids it.
        public static let permissionDenied = Code("permission denied")
        /// The file system is mounted read-only.
        public static let readOnly = Code("read-only")
        /// The process or the system has no descriptors left.
        public static let tooManyOpenFiles = Code("too many open files")
        /// The system has no memory left.
        public static let outOfMemory = Code("out of memory")
        /// A folder has no identity file: an empty mount point, or no volume at all.
        public static let notAVolume = Code("not a volume")
        /// The volume belongs to another archive.
        public static let wrongArchive = Code("wrong archive")
        /// A newer pacsfs wrote this; this one must not touch it.
        public static let newerFormat = Code("newer format")
        /// A folder that should become a volume holds something.
        public static let notEmpty = Code("not empty")
        /// Bytes do not match their name, length or hash.
        public static let corrupt = Code("corrupt")
        /// Another process works with the volume.
        public static let inUse = Code("in use")
        /// Two ledgers of one archive tell different stories.
        public static let diverged = Code("diverged")
        /// Fewer volumes can take a file than it needs copies.
        public static let tooFewVolumes = Code("too few volumes")
        /// The caller asked for something that cannot be done.
        public static let invalidArgument = Code("invalid argument")

        public var description: String { name }
    }

    /// The kind of failure.
    public var code: Code
    public var message: String
    public var path: String?
    public var remedy: String
    /// The ``Errno`` of the system call that failed; `nil` when none did.
    public var cause: (any Error)?

    /// - Parameter cause: The error of the system call that failed; `nil` when none did.
    public init(
        _ code: Code, _ message: String, path: String, remedy: String, cause: Errno? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.remedy = remedy
        self.cause = cause
    }

    /// Whether it tells of this process or the system only, and nothing of the disk.
    public var isOfThisProcess: Bool { code == .tooManyOpenFiles || code == .outOfMemory }
}
