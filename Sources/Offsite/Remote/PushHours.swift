/// The hours of the day in which a remote may be pushed to, in local time.
public struct PushHours: Hashable, Sendable, CustomStringConvertible {
    /// Minutes since midnight.
    public var from: Int
    /// Minutes since midnight, not included; before `from` when the hours pass midnight.
    public var to: Int

    private static let day = 24 * 60

    /// - Returns: `nil` unless both are minutes of a day, and different.
    public init?(from: Int, to: Int) {
        let day = 0..<Self.day
        guard day.contains(from), day.contains(to), from != to else { return nil }
        self.from = from
        self.to = to
    }

    /// Reads `19:00-07:00`; `nil` for anything else.
    public init?(_ text: String) {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let from = Self.minute(ends[0]), let to = Self.minute(ends[1])
        else { return nil }
        self.init(from: from, to: to)
    }

    private static func minute(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...2).contains(parts[0].count), parts[1].count == 2,
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), hour < 24, minute < 60
        else { return nil }
        return hour * 60 + minute
    }

    /// Whether a minute of the day is among them.
    public func contains(_ minute: Int) -> Bool {
        from < to ? from <= minute && minute < to : minute >= from || minute < to
    }

    /// Minutes from a minute of the day until they begin; 0 while they last.
    public func wait(from minute: Int) -> Int {
        contains(minute) ? 0 : (from - minute + Self.day) % Self.day
    }

    /// Minutes from a minute of the day until they end; 0 while they have not begun.
    public func left(at minute: Int) -> Int {
        contains(minute) ? (to - minute + Self.day) % Self.day : 0
    }

    public var description: String { "\(Self.text(from))-\(Self.text(to))" }

    private static func text(_ minute: Int) -> String {
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return "\(two(minute / 60)):\(two(minute % 60))"
    }
}
