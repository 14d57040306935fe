/// What can go wrong with `index.sqlite`.
public struct IndexError: Error, Sendable, CustomStringConvertible {
    public struct Code: Equatable, Sendable {
        private let name: String
        /// The file is damaged, or of another version: it is a cache, and can be made anew.
        public static let corrupt = Code(name: "corrupt")
        /// Two images cannot be told apart.
        public static let ambiguous = Code(name: "ambiguous")
        /// The words of a search cannot be understood.
        public static let badQuery = Code(name: "badQuery")
    }

    public var code: Code
    /// What went wrong, and what to do next.
    public var message: String
    public var description: String { message }

    public init(code: Code, message: String) {
        self.code = code
        self.message = message
    }
}
