/// The format in which a date is shown, for example `yyyy-MM`.
struct DateFormat: Sendable, Equatable {
    enum Token: Sendable, Equatable {
        case year, month, day
        case separator(Character)
    }

    static let standard = DateFormat(tokens: [
        .year, .separator("-"), .month, .separator("-"), .day,
    ])
    static let allowed = "a date format is made of yyyy, MM and dd, with - _ . , or space between"

    let tokens: [Token]

    /// Reads a format; `nil` when the text has no `yyyy`, `MM` or `dd`, or anything else except
    /// separators.
    init?(_ text: some StringProtocol) {
        var rest = Substring(text)
        var tokens: [Token] = []
        while let first = rest.first {
            if rest.hasPrefix("yyyy") {
                tokens.append(.year)
                rest.removeFirst(4)
            } else if rest.hasPrefix("MM") {
                tokens.append(.month)
                rest.removeFirst(2)
            } else if rest.hasPrefix("dd") {
                tokens.append(.day)
                rest.removeFirst(2)
            } else if "-_., ".contains(first) {
                tokens.append(.separator(first))
                rest.removeFirst()
            } else {
                return nil
            }
        }
        guard tokens.contains(where: { [.year, .month, .day].contains($0) }) else { return nil }
        self.tokens = tokens
    }

    private init(tokens: [Token]) { self.tokens = tokens }

    func text(_ date: CalendarDate) -> String {
        var text = ""
        for token in tokens {
            switch token {
            case .year: text += Value.number(String(date.year), width: 4)
            case .month: text += Value.number(String(date.month), width: 2)
            case .day: text += Value.number(String(date.day), width: 2)
            case .separator(let character): text.append(character)
            }
        }
        return text
    }
}
