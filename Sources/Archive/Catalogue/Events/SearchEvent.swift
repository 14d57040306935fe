import JSON

/// A change of the searches that stay listed in `/search`.
///
/// ```
/// search   op, words       keep, forget
///          op, words, to   rename
/// ```
public enum SearchEvent: Sendable, Equatable {
    case keep(String)
    case forget(String)
    /// It stays the same folder, with other words.
    case rename(String, to: String)
}

extension SearchEvent: RecordBody {
    static let kind = "search"

    var fields: JSONObject {
        switch self {
        case .keep(let words): ["op": "keep", "words": .string(words)]
        case .forget(let words): ["op": "forget", "words": .string(words)]
        case .rename(let words, let new):
            ["op": "rename", "words": .string(words), "to": .string(new)]
        }
    }

    init(_ fields: RecordFields) throws(RecordError) {
        let words = try fields.required("words", \.string)
        let operation = try fields.required("op", \.string)
        switch operation {
        case "keep": self = .keep(words)
        case "forget": self = .forget(words)
        case "rename": self = .rename(words, to: try fields.required("to", \.string))
        default: throw .unknown("is of the kind \"search\" and has the op \"\(operation)\"")
        }
    }
}
