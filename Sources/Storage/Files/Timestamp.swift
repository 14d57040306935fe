import Glibc

/// An instant in UTC, in nanoseconds since 1970-01-01T00:00:00Z; leap seconds are not counted.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Nanoseconds since 1970-01-01T00:00:00Z; good until the year 2262.
    public var nanoseconds: Int64

    /// Takes nanoseconds since 1970-01-01T00:00:00Z.
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The time the system's clock shows.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public static func < (one: Timestamp, other: Timestamp) -> Bool {
        one.nanoseconds < other.nanoseconds
    }

    /// `2026-11-22T02:05:52.123456789Z`: always 30 characters, so that texts sort as times do.
    public var description: String {
        String(unsafeUninitializedCapacity: Self.textBytes) { write(to: $0) }
    }

    /// The date alone: `2026-11-22`.
    public var date: String { String(description.prefix(10)) }

    static let textBytes = 30

    /// Writes the text into `buffer`, which has room for it; returns its length.
    func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let billion: Int64 = 1_000_000_000
        let fraction = ((nanoseconds % billion) + billion) % billion
        let seconds = (nanoseconds - fraction) / billion
        let secondOfDay = ((seconds % 86400) + 86400) % 86400
        let (year, month, day) = Self.civil(days: (seconds - secondOfDay) / 86400)
        var end = 0
        func put(_ value: Int64, digits: Int, then separator: UInt8) {
            var rest = value
            for index in stride(from: end + digits - 1, through: end, by: -1) {
                buffer[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            buffer[end + digits] = separator
            end += digits + 1
        }
        put(year, digits: 4, then: UInt8(ascii: "-"))
        put(month, digits: 2, then: UInt8(ascii: "-"))
        put(day, digits: 2, then: UInt8(ascii: "T"))
        put(secondOfDay / 3600, digits: 2, then: UInt8(ascii: ":"))
        put(secondOfDay / 60 % 60, digits: 2, then: UInt8(ascii: ":"))
        put(secondOfDay % 60, digits: 2, then: UInt8(ascii: "."))
        put(fraction, digits: 9, then: UInt8(ascii: "Z"))
        return end
    }

    /// Reads the text that ``description`` writes; `nil` for anything else.
    public init?(_ text: String) {
        guard let time = Array(text.utf8).withUnsafeBytes({ Timestamp(text: $0) }) else {
            return nil
        }
        self = time
    }

    init?(text: UnsafeRawBufferPointer) {
        guard text.count == Self.textBytes else { return nil }
        var start = 0
        func take(_ digits: Int, before separator: UInt8) -> Int64? {
            var value: Int64 = 0
            for digit in text[text.startIndex + start..<text.startIndex + start + digits] {
                guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
                value = value * 10 + Int64(digit - UInt8(ascii: "0"))
            }
            guard text[text.startIndex + start + digits] == separator else { return nil }
            start += digits + 1
            return value
        }
        guard let year = take(4, before: UInt8(ascii: "-")), year >= 1678, year <= 2261,
            let month = take(2, before: UInt8(ascii: "-")), month >= 1, month <= 12,
            let day = take(2, before: UInt8(ascii: "T")), day >= 1, day <= 31,
            let hour = take(2, before: UInt8(ascii: ":")), hour < 24,
            let minute = take(2, before: UInt8(ascii: ":")), minute < 60,
            let second = take(2, before: UInt8(ascii: ".")), second < 60,
            let fraction = take(9, before: UInt8(ascii: "Z"))
        else { return nil }
        let seconds = Self.days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
        nanoseconds = seconds * 1_000_000_000 + fraction
    }

    // Days to and from the proleptic Gregorian calendar; the year starts in March, so that the
    // leap day is its last. See: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
    }

    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month,
            dayOfYear - (153 * marchMonth + 2) / 5 + 1
        )
    }
}

extension Timestamp: Codable {
    /// - Throws: `DecodingError` when it is not a text as ``description`` writes it.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let time = try Timestamp(container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "This is not a time in UTC.")
        }
        self = time
    }

    /// Written as its ``description``.
    ///
    /// - Throws: What the encoder throws.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
