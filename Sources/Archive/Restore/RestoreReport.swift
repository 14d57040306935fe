import Storage

/// The result of a restore.
public struct RestoreReport: Codable, Sendable {
    /// The directory of the archive, or the plain folder.
    public var directory: String
    /// Images that were brought back by this run.
    public var restored: Int64 = 0
    /// Bytes of them.
    public var bytes: Int64 = 0
    /// Images that were there already.
    public var present: Int64 = 0
    /// Rejected files that were brought back by this run.
    public var rejected: Int64 = 0
    /// Images that somebody has changed or deleted at the source, and that came from versions that
    /// its server has kept.
    public var olderVersions: Int64 = 0
    /// Images that the source does not have, or not with the right bytes.
    public var lacking: Int64 = 0
    /// What is wrong with the first of these.
    public var examples: [String] = []
    /// The file that lists all of them; `nil` when none is lacking.
    @Nullable public var list: String?
    /// Whether everything was looked at; false when it was interrupted.
    public var isComplete = false
    public var seconds: Double = 0
    /// Why new images will get fewer copies than wanted; `nil` when they will not.
    @Nullable public var copiesProblem: String?

    public init(directory: String) { self.directory = directory }

    static let mostExamples = 20
}

/// How far a restore is.
public struct RestoreProgress: Codable, Sendable, Equatable {
    /// Images that are there, and all.
    public var images: Int64 = 0
    public var totalImages: Int64 = 0
    /// Bytes of these.
    public var bytes: Int64 = 0
    public var totalBytes: Int64 = 0

    public init() {}

    /// `, about 2 h left`; nothing while that cannot be said.
    ///
    /// - Parameter time: Since it began, ns.
    func timeLeft(after time: Int64) -> String {
        guard let seconds = secondsLeft(after: time) else { return "" }
        switch seconds {
        case ..<90: return ", about a minute left"
        case ..<5400: return ", about \(seconds / 60) min left"
        case ..<172_800: return ", about \(seconds / 3600) h left"
        default: return ", about \(seconds / 86_400) days left"
        }
    }

    /// - Parameter time: Since it began, ns.
    /// - Returns: `nil` while that cannot be said.
    func secondsLeft(after time: Int64) -> Int64? {
        guard bytes > 0, time > 0, totalBytes > bytes else { return nil }
        return Int64(Double(time) / 1e9 / Double(bytes) * Double(totalBytes - bytes))
    }
}
