/// What is wrong with the text of a view template, and where.
public struct TemplateError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What was found.
    public let message: String
    /// Where it begins, in characters from the start of the text; the first is 1.
    public let column: Int
    /// What could stand there instead.
    public let allowed: String

    /// One line for people: `column 2: there is no attribute PatienName; did you mean PatientName?`
    public var description: String { "column \(column): \(sentence)" }

    /// What was found and what could stand there, without the place.
    public var sentence: String { "\(message); \(allowed)" }

    /// The template, and below it a mark where the error begins; two lines.
    public func marked(in template: String) -> String {
        "\(template)\n\(String(repeating: " ", count: column - 1))^"
    }
}
