/// A date of the representation DA (PS3.5 6.2): `19941105`, or `1994.11.05` as before DICOM 3.0.
struct CalendarDate: Equatable {
    let year: Int
    let month: Int
    let day: Int

    /// `nil` when the text is no day of the Gregorian calendar.
    init?(_ text: String) {
        var digits: [Int] = []
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case 0x30...0x39: digits.append(Int(byte) - 0x30)
            case UInt8(ascii: "."), UInt8(ascii: "-"):
                guard text.utf8.count == 10, index == 4 || index == 7 else { return nil }
            default: return nil
            }
        }
        guard digits.count == 8 else { return nil }
        year = digits[..<4].reduce(0) { $0 * 10 + $1 }
        month = digits[4] * 10 + digits[5]
        day = digits[6] * 10 + digits[7]
        guard year > 0, (1...12).contains(month), (1...daysInMonth).contains(day) else {
            return nil
        }
    }

    private var daysInMonth: Int {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

/// How a date is shown, for example `yyyy-MM`.
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

    /// `nil` when the text holds anything but `yyyy`, `MM`, `dd` and separators, or nothing.
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
