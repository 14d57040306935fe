import System

/// A mistake in the text of a view template.
public struct TemplateError: DescribedError, Equatable {
    /// The kind of mistake.
    public enum Code: Sendable {
        /// Too many characters or levels.
        case tooLong
        /// A level has neither text nor a field.
        case emptyLevel
        /// A brace has no counterpart.
        case unpairedBrace
        /// There is no such keyword, or no such part of it.
        case unknownName
        /// The field takes no format, or not this one.
        case badFormat
        /// `{Series}` takes nothing beside itself.
        case badSeries
    }

    public let code: Code
    /// The mistake.
    public let message: String
    /// Where it begins, in characters from the start of the text; the first is 1.
    public let column: Int
    /// The text that is allowed there instead.
    public let remedy: String

    /// Always `nil`: the caller knows where the template is written.
    public var path: String? { nil }
    /// Always `nil`.
    public var cause: (any Error)? { nil }

    /// One line for people: `column 2: there is no attribute PatienName; did you mean PatientName?`
    public var description: String { "column \(column): \(sentence)" }

    /// The mistake and what is allowed instead, without the column.
    public var sentence: String { "\(message); \(remedy)" }

    /// Two lines: the template, and a mark below the place where the mistake begins.
    public func marked(in template: String) -> String {
        "\(template)\n\(String(repeating: " ", count: column - 1))^"
    }
}
