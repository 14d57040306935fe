import System

/// A failure of `index.sqlite`, or of a question to it.
///
/// Its message names the file and the remedy, because commands and the texts in `/search` show the
/// message alone.
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

    /// The kind of failure.
    public var code: Code
    /// What happened, and what to do about it.
    public var message: String
    /// Always `nil`, see ``message``.
    public var path: String? { nil }
    /// Always empty, see ``message``.
    public var remedy: String { "" }
    /// The error below this one; `nil` when there is none.
    public var cause: (any Error)?
    /// The message.
    public var description: String { message }

    /// An error of a kind, with a message for people.
    public init(code: Code, message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }
}
