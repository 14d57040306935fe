import Naming
import System
import TagIndex

/// The names that a directory gives to rows of the index, no two the same ignoring case.
struct RowNames: Sendable {
    /// In the order in which they are listed.
    let entries: [(name: String, id: Int64)]
    private let places: [String: Int]

    /// - Parameters:
    ///   - rows: In the order in which they are listed.
    ///   - name: The name of a row; of several with the same name, the earliest keeps it and the
    ///     others get a suffix.
    init(_ rows: [NamedRow], name: (AttributeSet) -> String) {
        var names = [String](repeating: "", count: rows.count)
        var places: [String: Int] = [:]
        for index in rows.indices.sorted(by: { rows[$0].id < rows[$1].id }) {
            let row = rows[index]
            names[index] = PortableName.firstFree(
                name(row.attributes), tag: StableHash.hex(row.key)
            ) {
                places[PortableName.folded($0)] == nil
            }
            places[PortableName.folded(names[index])] = index
        }
        entries = zip(names, rows).map { ($0, $1.id) }
        self.places = places
    }

    /// The entry that has a name, ignoring case.
    func find(_ name: String) -> (name: String, id: Int64)? {
        places[PortableName.folded(name)].map { entries[$0] }
    }
}

/// The content of a folder of `/search`.
enum SearchAnswer: Sendable {
    /// Studies; `isAll` is false when there are more than are shown.
    case found(RowNames, isAll: Bool)
    /// The words cannot be understood, for this reason.
    case notUnderstood(String)
}

/// The results of searches, each found once for each state of the index.
///
/// Only the most recent ones are kept, so that memory stays small.
final class SearchResults: Sendable {
    /// How many studies a search shows.
    let limit: Int
    private static let kept = 16

    private enum Key: Hashable, Sendable {
        case words(String)
        case study(Int64)
    }

    private struct Entry: Sendable {
        /// The last rows of the index when it was found.
        var series: Int64
        var instance: Int64
        var answer: SearchAnswer
    }

    /// The most recently used last.
    private let known = Lock<[(key: Key, entry: Entry)]>([])
    private let index: TagIndex

    init(index: TagIndex, limit: Int = 1000) {
        self.index = index
        self.limit = limit
    }

    /// The studies that `words` find.
    ///
    /// - Throws: As TagIndex.read.
    func answer(_ words: String) throws -> SearchAnswer {
        let query: SearchQuery
        do { query = try SearchQuery(words: [words]) } catch let error as IndexError {
            return .notUnderstood(error.explanation)
        }
        return try current(.words(words), dependsOnImages: query.asksForImages) { reader in
            let ids = try reader.studyIDs(query, limit: limit + 1)
            let rows = try ids.prefix(limit).compactMap { try reader.study($0) }
            return .found(RowNames(rows, name: FoundName.study), isAll: ids.count <= limit)
        }
    }

    /// The series of a study.
    ///
    /// - Throws: As TagIndex.read.
    func series(ofStudy id: Int64) throws -> RowNames {
        let answer = try current(.study(id), dependsOnImages: false) { reader in
            .found(RowNames(try reader.series(ofStudy: id), name: FoundName.series), isAll: true)
        }
        guard case .found(let names, _) = answer else { preconditionFailure("series are found") }
        return names
    }

    private func current(
        _ key: Key, dependsOnImages: Bool, _ work: (IndexReader) throws -> SearchAnswer
    ) throws -> SearchAnswer {
        try index.read { reader in
            // Read first: an image that comes during the search makes the answer outdated.
            let last = try reader.lastRows()
            let old = known.withLock { known -> Entry? in
                guard let place = known.lastIndex(where: { $0.key == key }) else { return nil }
                let found = known.remove(at: place)
                known.append(found)
                return found.entry
            }
            if let old, old.series == last.series, !dependsOnImages || old.instance == last.instance
            {
                return old.answer
            }
            let entry = Entry(
                series: last.series, instance: last.instance, answer: try work(reader))
            known.withLock { known in
                known.removeAll { $0.key == key }
                known.append((key, entry))
                if known.count > Self.kept { known.removeFirst() }
            }
            return entry.answer
        }
    }
}
