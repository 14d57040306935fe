import Storage
import TagIndex

/// No images for longer than usual: of one modality, whose device may send nothing any more, or at
/// all.
struct IntakeSilence: Equatable, Sendable {
    /// `nil` for all.
    var modality: String?
    /// The last day with images, in days since 1970, UTC.
    var last: Int64
    /// The longest time without images in the three months before, in days.
    var usual: Int64

    var key: String { modality.map { "intake \($0)" } ?? "intake" }

    var text: String {
        let date = Timestamp(nanoseconds: last * Self.day).date
        let what = modality.map { "\($0.isEmpty ? "images without modality" : "\($0) images")" }
        return """
            No \(what ?? "new images") since \(date): longer than usual, which is at most \
            \(usual == 1 ? "one day" : "\(usual) days"). Does the device still send to the \
            archive? If all is as it should be, there is nothing to do.
            """
    }

    private static let day: Int64 = 86_400_000_000_000
    /// So many days are looked at before the last one with images.
    static let window: Int64 = 90
    /// A habit needs so many days with images.
    private static let least = 20

    /// What is silent now.
    ///
    /// - Parameter time: ns since 1970.
    /// - Throws: `IndexError` when the index is damaged.
    static func all(in index: TagIndex, at time: Int64) throws -> [IntakeSilence] {
        let today = time / Self.day
        return all(try index.read { try $0.intake(since: today - 2 * window) }, today: today)
    }

    /// What is silent now.
    ///
    /// - Parameters:
    ///   - days: What was archived in the last ``window`` days and longer.
    ///   - today: Days since 1970, UTC.
    static func all(_ days: [DayOfIntake], today: Int64) -> [IntakeSilence] {
        if let all = silence(of: Set(days.map(\.day)), modality: nil, today: today) { return [all] }
        return Dictionary(grouping: days, by: \.modality).sorted { $0.key < $1.key }.compactMap {
            silence(of: Set($0.value.map(\.day)), modality: $0.key, today: today)
        }
    }

    private static func silence(of days: Set<Int64>, modality: String?, today: Int64) -> Self? {
        guard let last = days.max() else { return nil }
        let sorted = days.filter { $0 >= last - window }.sorted()
        guard sorted.count >= least else { return nil }
        let usual = zip(sorted.dropFirst(), sorted).map { $0 - $1 }.max() ?? 1
        // Half as long again, and a day.
        guard today - last > usual + usual / 2 + 1 else { return nil }
        return Self(modality: modality, last: last, usual: usual)
    }
}
