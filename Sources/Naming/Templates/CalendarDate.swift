/// A day of the Gregorian calendar.
public struct CalendarDate: Equatable, Sendable {
    /// The year, from 1.
    public let year: Int
    /// The month, from 1 to 12.
    public let month: Int
    /// The day of the month, from 1.
    public let day: Int

    /// Reads a value of the representation DA (PS3.5 6.2): `19941105`, or `1994.11.05` as before
    /// DICOM 3.0, or `1994-11-05`. `nil` when there is no such day.
    public init?(_ text: String) {
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
        guard year > 0, let days = Self.days(inMonth: month, ofYear: year),
            (1...days).contains(day)
        else { return nil }
    }

    /// The number of days of a month; `nil` when there is no such month.
    public static func days(inMonth month: Int, ofYear year: Int) -> Int? {
        switch month {
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: 30
        case 1...12: 31
        default: nil
        }
    }
}
