import System

/// A failure of `index.sqlite`, or of a question to it.
public struct IndexError: DescribedError {
    /// The kind of failure. More kinds may be added.
    public struct Code: Hashable, Sendable {
        private let name: String
        /// The file is damaged or of another version. It is a cache and can be rebuilt.
        public static let corrupt = Code(name: "corrupt")
        /// Two images have the same digest, or the same name in one directory.
        public static let ambiguous = Code(name: "ambiguous")
        /// A search has no words, an unknown keyword, or a date that does not exist.
        public static let badQuery = Code(name: "badQuery")
    }

    public var code: Code
    public var message: String
    /// The file of the index; `nil` for a question, or where only the caller knows it.
    public var path: String?
    public var remedy: String
    public var cause: (any Error)?

    public init(
        _ code: Code, _ message: String, path: String? = nil, remedy: String,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.remedy = remedy
        self.cause = cause
    }

    /// The index is not as pacsfs wrote it.
    static func corrupt(
        _ message: String, path: String? = nil, cause: (any Error)? = nil
    ) -> IndexError {
        IndexError(
            .corrupt, message, path: path,
            remedy: "No image is affected: unmount the archive and mount it again, which rebuilds "
                + "the index from the ledger.",
            cause: cause)
    }
}
