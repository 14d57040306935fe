import Naming

/// The days that a search asks for: `2024`, `2024-05`, `2024-05-01`, `20240501`, or a range of
/// them with `..`.
struct SearchDays: Equatable, Sendable {
    /// The first day, as `yyyy-MM-dd`; the empty string for an open range.
    var from: String
    /// The last day, as `yyyy-MM-dd`; `9999` for an open range.
    var to: String

    /// Understands a word of a search; `nil` when it does not look like dates.
    ///
    /// - Throws: ``IndexError`` with code ``IndexError/Code/badQuery`` when it looks like dates
    ///   that do not exist. Nobody wants to find nothing for the 31st of February.
    init?(_ text: String) throws {
        guard let dots = text.firstRange(of: "..") else {
            guard let days = try Self.bounds(Substring(text)) else { return nil }
            self = days
            return
        }
        let ends = [text[..<dots.lowerBound], text[dots.upperBound...]]
        let days = try ends.map { $0.isEmpty ? nil : try Self.bounds($0) }
        // "Smith.." is a word.
        guard days.contains(where: { $0 != nil }) else { return nil }
        for (end, days) in zip(ends, days) where !end.isEmpty && days == nil {
            throw IndexError(
                .badQuery, "\"\(text)\" is not a range of dates: \"\(end)\" is not a date",
                remedy: "\(Self.advice).")
        }
        (from, to) = (days[0]?.from ?? "", days[1]?.to ?? "9999")
        guard from <= to else {
            throw IndexError(
                .badQuery, "\"\(text)\" ends before it begins",
                remedy: "Write the earlier date first: \(ends[1])..\(ends[0])")
        }
    }

    private init(from: String, to: String) {
        self.from = from
        self.to = to
    }

    static let advice = "Write 2024, 2024-05, 2024-05-01 or a range such as 2024-01..2024-03"

    private static func bounds(_ text: Substring) throws -> SearchDays? {
        var digits = text
        let isCompact = text.count == 8 && text.allSatisfy { $0.isASCII && $0.isNumber }
        if isCompact {
            digits = "\(text.prefix(4))-\(text.dropFirst(4).prefix(2))-\(text.suffix(2))"
        }
        let parts = digits.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 3,
            zip(parts, [4, 2, 2]).allSatisfy({
                $0.count == $1 && $0.allSatisfy { $0.isASCII && $0.isNumber }
            })
        else { return nil }
        let numbers = parts.compactMap { Int($0) }
        guard numbers.count == parts.count, (1890...2199).contains(numbers[0]) else { return nil }
        if let problem = problem(numbers, parts) {
            // Eight digits may also be a number of a patient.
            if isCompact { return nil }
            throw IndexError(
                .badQuery, "\"\(text)\" is not a date: \(problem)",
                remedy: "\(advice). For a number that only looks like a date, use its keyword: "
                    + "id=\(text)")
        }
        return switch parts.count {
        case 1: SearchDays(from: "\(digits)-01-01", to: "\(digits)-12-31")
        case 2: SearchDays(from: "\(digits)-01", to: "\(digits)-31")
        default: SearchDays(from: String(digits), to: String(digits))
        }
    }

    /// Why there are no such days; `nil` when there are.
    private static func problem(_ numbers: [Int], _ parts: [Substring]) -> String? {
        guard numbers.count > 1 else { return nil }
        let (year, month) = (numbers[0], numbers[1])
        guard let days = CalendarDate.days(inMonth: month, ofYear: year) else {
            return "there is no month \(parts[1])"
        }
        guard numbers.count > 2, !(1...days).contains(numbers[2]) else { return nil }
        return "\(parts[0])-\(parts[1]) has \(days) days"
    }
}
