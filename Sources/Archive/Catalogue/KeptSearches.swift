import JSON
import Storage
import TagIndex

/// A change of which searches stay listed in `/search`, as the ledger tells it.
///
/// ```
/// search   op, words       keep, forget
///          op, words, to   rename
/// ```
public enum SearchChange: Sendable, Equatable {
    case keep(String)
    case forget(String)
    /// It stays the same folder, with other words.
    case rename(String, to: String)

    static let kind = "search"

    var body: JSONObject {
        switch self {
        case .keep(let words):
            JSONObject([.init("op", .string("keep")), .init("words", .string(words))])
        case .forget(let words):
            JSONObject([.init("op", .string("forget")), .init("words", .string(words))])
        case .rename(let words, let new):
            JSONObject([
                .init("op", .string("rename")), .init("words", .string(words)),
                .init("to", .string(new)),
            ])
        }
    }

    init?(_ entry: LedgerEntry) {
        guard let words = entry.body["words"]?.string else { return nil }
        switch entry.body["op"]?.string {
        case "keep": self = .keep(words)
        case "forget": self = .forget(words)
        case "rename":
            guard let new = entry.body["to"]?.string else { return nil }
            self = .rename(words, to: new)
        default: return nil
        }
    }
}

extension Archive {
    /// Keeps, forgets and renames searches; on disk when this returns.
    ///
    /// - throws: ``ArchiveError`` when the ledger cannot be written on enough volumes
    public func changeSearches(_ changes: [SearchChange]) throws(ArchiveError) {
        try ArchiveError.from {
            let catalogue = core.catalogue
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
        case .rename(let words, let new): try writer.renameSearch(words, to: new)
        case nil: throw Self.incomplete(entry)
        }
    }
}
