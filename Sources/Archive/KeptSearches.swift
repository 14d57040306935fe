import Storage
import TagIndex

/// A change of which searches stay listed in `/search`, as the ledger tells it.
///
/// ```
/// search   op, words       keep, forget
/// ```
public enum SearchChange: Sendable, Equatable {
    case keep(String)
    case forget(String)

    static let kind = "search"

    var body: JSONObject {
        let (operation, words) =
            switch self {
            case .keep(let words): ("keep", words)
            case .forget(let words): ("forget", words)
            }
        return JSONObject([.init("op", .string(operation)), .init("words", .string(words))])
    }

    init?(_ entry: LedgerEntry) {
        guard let words = entry.body["words"]?.string else { return nil }
        switch entry.body["op"]?.string {
        case "keep": self = .keep(words)
        case "forget": self = .forget(words)
        default: return nil
        }
    }
}

extension Archive {
    /// Keeps and forgets searches; on disk when this returns.
    ///
    /// - throws: ``ArchiveError`` when the ledger cannot be written on enough volumes
    public func changeSearches(_ changes: [SearchChange]) throws(ArchiveError) {
        try ArchiveError.from {
            _ = try catalogue.appending { writer, entries in
                for change in changes {
                    let entry = catalogue.entry(kind: SearchChange.kind, change.body)
                    try catalogue.apply(entry, with: writer)
                    entries.append(entry)
                }
            }
        }
    }
}

extension LedgerReplay {
    /// Takes a record about searches into the index.
    func applySearch(_ entry: LedgerEntry, with writer: IndexWriter) throws {
        switch SearchChange(entry) {
        case .keep(let words): try writer.keepSearch(words, at: entry.time.nanoseconds)
        case .forget(let words): try writer.forgetSearch(words)
        case nil: throw Self.incomplete(entry)
        }
    }
}
