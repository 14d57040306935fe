/// A mistake in the text of a view template.
public struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The mistake.
    public let message: String
    /// Where it begins, in characters from the start of the text; the first is 1.
    public let column: Int
    /// The text that is allowed there instead.
    public let allowed: String

    /// One line for people: `column 2: there is no attribute PatienName; did you mean PatientName?`
    public var description: String { "column \(column): \(sentence)" }

    /// The mistake and what is allowed instead, without the column.
    public var sentence: String { "\(message); \(allowed)" }

    /// Two lines: the template, and a mark below the place where the mistake begins.
    public func marked(in template: String) -> String {
        "\(template)\n\(String(repeating: " ", count: column - 1))^"
    }
}
