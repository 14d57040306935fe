import DICOM

/// What somebody is looking for: `rex smith 2024 ct`, `modality=US date=2024-01..2024-03`,
/// `id=1234`. All terms must hold.
public struct SearchQuery: Equatable, Sendable {
    enum Term: Equatable, Sendable {
        /// Begins a word of a name, a number or a description; see ``SearchWords``.
        case word(String)
        /// Days from the first to the last, both included, as `yyyy-MM-dd`; an open end is
        /// the empty string or `9999`.
        case days(from: String, to: String)
        /// The attribute has this value, ignoring case and accents; a trailing `*` makes
        /// it a beginning.
        case attribute(Attribute, String)
    }

    var terms: [Term]

    /// Whether an image more in a series that is there can change what is found.
    public var asksForImages: Bool {
        terms.contains { if case .attribute(.sopInstanceUID, _) = $0 { true } else { false } }
    }

    /// - throws: ``IndexError`` with code ``IndexError/Code/badQuery``: no words, an unknown
    ///   keyword before `=`, what stands after `date=` is no date, or what looks like a date is none.
    public init(words: [String]) throws {
        terms = []
        for word in words.flatMap({ $0.split(whereSeparator: \.isWhitespace) }) {
            // A word without letters or digits, as in `smith - rex`, has nothing to look for.
            guard word.contains("=") || word.contains(where: { $0.isLetter || $0.isNumber }) else {
                continue
            }
            terms.append(try Self.term(String(word)))
        }
        guard !terms.isEmpty else {
            throw IndexError(
                code: .badQuery,
                message: "Say what to look for, for example: pacsfs find smith rex 2024 ct")
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
                        code: .badQuery, message: "«\(value)» is no date. \(SearchDays.advice).")
                }
                return .days(from: days.from, to: days.to)
            }
            guard let attribute = shortNames[key.lowercased()] ?? Attribute(keyword: key) else {
                throw IndexError(
                    code: .badQuery,
                    message:
                        "«\(key)» is no attribute that pacsfs indexes. Use a DICOM keyword such as Modality=CT or BodyPartExamined=HIP, or a word without =."
                )
            }
            return .attribute(attribute, value)
        }
        return try SearchDays(word).map { .days(from: $0.from, to: $0.to) } ?? .word(word)
    }
}
