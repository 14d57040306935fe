import DICOM

/// A search: `rex smith 2024 ct`, `modality=US date=2024-01..2024-03`, `id=1234`. A series matches
/// if all terms match.
public struct SearchQuery: Equatable, Sendable {
    enum Term: Equatable, Sendable {
        /// The beginning of a word in a name, a number or a description, see ``SearchWords``.
        case word(String)
        /// The first and the last day, both included, as `yyyy-MM-dd`; an open end is the empty
        /// string or `9999`.
        case days(from: String, to: String)
        /// The value of an attribute, ignoring case and accents; with `*` at the end, the beginning
        /// of the value.
        case attribute(Attribute, String)
    }

    var terms: [Term]

    /// Whether one more image in an existing series can change the results.
    public var asksForImages: Bool {
        terms.contains { if case .attribute(.sopInstanceUID, _) = $0 { true } else { false } }
    }

    /// Understands the words of a search.
    ///
    /// - Parameter words: The words; each may hold several, separated by white space.
    /// - Throws: ``IndexError`` with code ``IndexError/Code/badQuery``: there are no words; an
    ///   unknown keyword stands before `=`; the text after `date=`, or a word like a date, is not a
    ///   date.
    public init(words: [String]) throws {
        terms = []
        for word in words.flatMap({ $0.split(whereSeparator: \.isWhitespace) }) {
            // A word without letters or digits, as in `smith - rex`, says nothing.
            guard word.contains("=") || word.contains(where: { $0.isLetter || $0.isNumber }) else {
                continue
            }
            terms.append(try Self.term(String(word)))
        }
        guard !terms.isEmpty else {
            throw IndexError(
                .badQuery, "The search has no words",
                remedy: "Say what to look for, for example: smith rex 2024 ct")
        }
    }

    private static let shortNames: [String: Attribute] = [
        "name": .patientName, "id": .patientID, "owner": .responsiblePerson,
        "species": .patientSpeciesDescription, "breed": .patientBreedDescription,
        "accession": .accessionNumber, "study": .studyInstanceUID, "series": .seriesInstanceUID,
        "uid": .sopInstanceUID, "microchip": .otherPatientIDs, "chip": .otherPatientIDs,
        "description": .studyDescription, "body": .bodyPartExamined,
    ]

    private static func term(_ word: String) throws -> Term {
        if let equals = word.firstIndex(of: "=") {
            let key = String(word[..<equals])
            let value = String(word[word.index(after: equals)...])
            if key.lowercased() == "date" || key.lowercased() == "studydate" {
                guard let days = try SearchDays(value) else {
                    throw IndexError(
                        .badQuery, "\"\(value)\" is not a date",
                        remedy: "\(SearchDays.advice).")
                }
                return .days(from: days.from, to: days.to)
            }
            guard let attribute = shortNames[key.lowercased()] ?? Attribute(keyword: key) else {
                throw IndexError(
                    .badQuery, "\"\(key)\" is not an attribute that pacsfs indexes",
                    remedy: "Use a DICOM keyword such as Modality=CT or BodyPartExamined=HIP, or a "
                        + "word without =.")
            }
            return .attribute(attribute, value)
        }
        return try SearchDays(word).map { .days(from: $0.from, to: $0.to) } ?? .word(word)
    }
}
