/// The shape of every error in pacsfs: a code for programs, and for people what happened, to
/// which file, why, and what to do next.
public protocol DescribedError: Error, Sendable, CustomStringConvertible {
    associatedtype Code: Hashable, Sendable

    /// The kind of failure, for a program to act on.
    var code: Code { get }
    /// What happened, in words that can stand at the start of a sentence.
    var message: String { get }
    /// The file or folder concerned; `nil` when there is none, or the message names it.
    var path: String? { get }
    /// What to do next, a sentence; empty when the message says it.
    var remedy: String { get }
    /// The error below this one, such as the ``Errno`` of a system call; `nil` when there is none.
    var cause: (any Error)? { get }
}

extension DescribedError {
    /// One line: what happened, to which file, why, what to do.
    public var description: String {
        var text = message
        if let path { text += ": \(path)" }
        if let cause { text += " (\(cause))" }
        return Self.joined(text, remedy)
    }

    /// What happened and what to do, for a text that says by itself to which file and where.
    public var explanation: String {
        Self.joined(cause.map { "\(message) (\($0))" } ?? message, remedy)
    }

    private static func joined(_ text: String, _ remedy: String) -> String {
        if remedy.isEmpty { return text }
        return text.hasSuffix(".") ? "\(text) \(remedy)" : "\(text). \(remedy)"
    }
}

/// An error of one subject: nothing but the shape, with the codes of that subject.
public struct CodedError<Code: Hashable & Sendable>: DescribedError {
    public var code: Code
    public var message: String
    public var path: String?
    public var remedy: String
    public var cause: (any Error)?

    public init(
        _ code: Code, _ message: String, path: String? = nil, remedy: String = "",
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.remedy = remedy
        self.cause = cause
    }
}
