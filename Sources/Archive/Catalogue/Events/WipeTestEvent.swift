import JSON
import Offsite

/// This machine tried, with its own keys, to destroy objects of a remote that were made for that.
///
/// ```
/// wipetest   remote, overwrite, delete: refused, hidden, done
///            shorten                    the same, where objects are locked
/// ```
struct WipeTestEvent: RecordBody, Equatable {
    var remote: String
    /// Another content in the place of an object.
    var overwrite: WipeResult
    var delete: WipeResult
    /// An earlier end of an object's lock; `nil` where there are no locks.
    var shorten: WipeResult?

    static let kind = "wipetest"

    init(_ remote: String, overwrite: WipeResult, delete: WipeResult, shorten: WipeResult?) {
        self.remote = remote
        self.overwrite = overwrite
        self.delete = delete
        self.shorten = shorten
    }

    var fields: JSONObject {
        var fields: JSONObject = [
            "remote": .string(remote), "overwrite": .string(overwrite.rawValue),
            "delete": .string(delete.rawValue),
        ]
        if let shorten { fields.append("shorten", .string(shorten.rawValue)) }
        return fields
    }

    init(_ fields: RecordFields) throws(RecordError) {
        func result(_ key: String, _ word: String) throws(RecordError) -> WipeResult {
            guard let result = WipeResult(rawValue: word) else {
                throw .unknown("is of the kind \"wipetest\" and has \(key) \"\(word)\"")
            }
            return result
        }
        remote = try fields.required("remote", \.string)
        overwrite = try result("overwrite", fields.required("overwrite", \.string))
        delete = try result("delete", fields.required("delete", \.string))
        shorten = nil
        if let word = try fields.optional("shorten", \.string) {
            shorten = try result("shorten", word)
        }
    }
}

/// What became of an attempt to destroy something.
public enum WipeResult: String, Codable, Sendable {
    /// The server did not do it.
    case refused
    /// The server did it, and keeps what was there.
    case hidden
    /// It is gone.
    case done

    init(_ fate: WipeOutcome.Fate) {
        self =
            switch fate {
            case .refused: .refused
            case .hidden: .hidden
            case .done: .done
            }
    }
}
