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
        if !remedy.isEmpty { text += text.hasSuffix(".") ? " \(remedy)" : ". \(remedy)" }
        return text
    }
}
