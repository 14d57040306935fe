import Foundation
import Storage
import System

/// When the archive was last verified as a whole, and what came out: kept beside the index as
/// `verified.json`, for `status`. The volumes know nothing of it.
public struct VerificationNote: Codable, Sendable, Equatable {
    public var time: Timestamp
    /// How many things did not fit.
    public var faults: Int
    /// How many wanted attention.
    public var attentions: Int

    private static let name = "verified.json"

    /// What came out now.
    public init(_ report: VerificationReport, at time: Timestamp) {
        (self.time, faults, attentions) = (time, report.faults, report.attentions)
    }

    /// - Returns: `nil` when there is none, or it cannot be read.
    init?(of archive: String) {
        guard let content = try? RegularFile.content(of: archive + "/" + Self.name),
            let note = try? JSONDecoder().decode(Self.self, from: Data(content))
        else { return nil }
        self = note
    }

    /// Keeps it. A note that cannot be written is none: what was found is printed all the same.
    ///
    /// - Parameter archive: The archive's directory.
    public func keep(in archive: String) {
        try? ReplacedFile.write(JSONEncoder().encode(self), to: Self.name, in: archive)
    }
}
