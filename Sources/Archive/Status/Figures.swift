import Foundation

/// Numbers as people read them.
public enum Figures {
    /// `1,204`.
    public static func grouped(_ count: Int64) -> String {
        var digits = String(count)
        var end = digits.endIndex
        while let comma = digits.index(end, offsetBy: -3, limitedBy: digits.startIndex),
            comma > digits.startIndex
        {
            digits.insert(",", at: comma)
            end = comma
        }
        return digits
    }

    /// `1.5 GB`; powers of 1000, as disks are sold.
    public static func bytes(_ count: Int64) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB", "PB"]
        var value = Double(count)
        var unit = 0
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        guard unit > 0 else { return "\(count) bytes" }
        return String(format: "%.\(value < 10 ? 1 : 0)f", value) + " " + units[unit]
    }

    /// `1 image`, `1,204 images`.
    static func count(_ number: Int64, _ one: String, _ many: String) -> String {
        number == 1 ? "1 \(one)" : "\(grouped(number)) \(many)"
    }

    /// `40 seconds`, `3 hours`.
    public static func duration(_ seconds: Int64) -> String {
        switch seconds {
        case 1: "1 second"
        case ..<120: "\(seconds) seconds"
        case ..<7200: "\(seconds / 60) minutes"
        case ..<172_800: "\(seconds / 3600) hours"
        default: "\(seconds / 86_400) days"
        }
    }

    /// How long the free space lasts: `about 3 months`.
    public static func time(ofDays days: Int64) -> String {
        switch days {
        case 3651...: "more than ten years"
        case 731...: "about \(days / 365) years"
        case 61...: "about \(days / 30) months"
        case 1: "about one day"
        default: "about \(days) days"
        }
    }
}
