import JSON
import Storage

/// A copy of an image is not good.
///
/// ```
/// damage   sha256, volume, problem: missing, truncated, altered, unreadable
/// ```
struct DamageEvent: RecordBody, Equatable {
    var digest: Digest
    /// The ordinal of the volume.
    var volume: Int
    var problem: CopyProblem

    static let kind = "damage"

    init(_ digest: Digest, on volume: Int, _ problem: CopyProblem) {
        self.digest = digest
        self.volume = volume
        self.problem = problem
    }

    var fields: JSONObject {
        [
            "sha256": JSONValue(digest), "volume": .int(Int64(volume)),
            "problem": .string(problem.rawValue),
        ]
    }

    init(_ fields: RecordFields) throws(RecordError) {
        digest = try fields.required("sha256", \.digest)
        volume = try fields.required("volume", \.ordinal)
        let word = try fields.required("problem", \.string)
        guard let problem = CopyProblem(rawValue: word) else {
            throw .unknown("is of the kind \"damage\" and has the problem \"\(word)\"")
        }
        self.problem = problem
    }
}

/// The fault of a copy.
public enum CopyProblem: String, Codable, Sendable {
    /// It is not there.
    case missing
    /// It has another size.
    case truncated
    /// It has other bytes.
    case altered
    /// The disk does not return it.
    case unreadable

    /// The fault of a copy whose reading failed; `nil` when the error is about this process or the
    /// system (open(2): EMFILE, ENFILE, ENOMEM). Such a copy may be the best there is.
    init?(reading error: StorageError) {
        if error.isOfThisProcess { return nil }
        self = error.code == .notFound ? .missing : .unreadable
    }

    /// Whether the bytes were read, and were others than they should be.
    var isSeenInBytes: Bool { self == .truncated || self == .altered }
}
