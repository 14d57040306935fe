import Archive
import Foundation

/// Numbers as people read them.
extension Output {
    /// `1.5 GB`; powers of 1000, as disks are sold.
    static func bytes(_ count: Int64) -> String { Figures.bytes(count) }

    static func decimals(_ value: Double, _ digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }

    static func count(_ number: some BinaryInteger, _ one: String, _ many: String) -> String {
        "\(number) \(number == 1 ? one : many)"
    }

    /// `2 min 5 s`.
    ///
    /// - Parameter seconds: Rounded up.
    static func duration(_ seconds: Double) -> String {
        let seconds = Int(seconds.rounded(.up))
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
        return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
    }

    /// Local time: `2026-11-22 02:05:52`.
    ///
    /// - Parameter nanoseconds: Since 1970, in UTC.
    static func time(_ nanoseconds: Int64) -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss"
        return formatter.string(from: Date(timeIntervalSince1970: Double(nanoseconds) / 1e9))
    }
}
