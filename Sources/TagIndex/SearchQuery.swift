import DICOM

/// What somebody is looking for: `rex smith 2024 ct`, `modality=US date=2024-01..2024-03`,
/// `id=1234`. All terms must hold.
public struct SearchQuery: Equatable, Sendable {
    enum Term: Equatable, Sendable {
        /// Begins a word of the name, the id, the descriptions or another attribute.
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
    ///   keyword before `=`, or what stands after `date=` is no date.
    public init(words: [String]) throws {
        terms = []
        for word in words.flatMap({ $0.split(whereSeparator: \.isWhitespace) }) {
            // A word without letters or digits, as in `smith - rex`, has nothing to look for.
            guard word.contains("=") || word.contains(where: { $0.isLetter || $0.isNumber }) else { continue }
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
                guard let days = days(value) else {
                    throw IndexError(
                        code: .badQuery,
                        message: "«\(value)» is no date. Write 2024, 2024-05, 2024-05-01 or a range such as 2024-01..2024-03.")
                }
                return days
            }
            guard let attribute = shortNames[key.lowercased()] ?? Attribute(keyword: key) else {
                throw IndexError(
                    code: .badQuery,
                    message: "«\(key)» is no attribute that pacsfs indexes. Use a DICOM keyword such as Modality=CT or BodyPartExamined=HIP, or a word without =.")
            }
            return .attribute(attribute, value)
        }
        return days(word) ?? .word(word)
    }

    /// A year, month, day, or range of them; `nil` when `text` is none.
    private static func days(_ text: String) -> Term? {
        if let dots = text.firstRange(of: "..") {
            let (first, last) = (text[..<dots.lowerBound], text[dots.upperBound...])
            guard !(first.isEmpty && last.isEmpty) else { return nil }
            guard let from = first.isEmpty ? "" : bounds(first)?.from,
                let to = last.isEmpty ? "9999" : bounds(last)?.to
            else { return nil }
            return .days(from: from, to: to)
        }
        return bounds(Substring(text)).map { .days(from: $0.from, to: $0.to) }
    }

    private static func bounds(_ text: Substring) -> (from: String, to: String)? {
        var digits = text
        if text.count == 8, text.allSatisfy({ $0.isASCII && $0.isNumber }) {
            let (year, rest) = (text.prefix(4), text.dropFirst(4))
            digits = "\(year)-\(rest.prefix(2))-\(rest.suffix(2))"
        }
        let parts = digits.split(separator: "-", omittingEmptySubsequences: false)
        let widths = [4, 2, 2]
        guard parts.count <= 3,
            zip(parts, widths).allSatisfy({ $0.count == $1 && $0.allSatisfy { $0.isASCII && $0.isNumber } }),
            let year = Int(parts[0]), (1890...2199).contains(year),
            parts.count < 2 || (1...12).contains(Int(parts[1]) ?? 0),
            parts.count < 3 || (1...31).contains(Int(parts[2]) ?? 0)
        else { return nil }
        return switch parts.count {
        case 1: ("\(digits)-01-01", "\(digits)-12-31")
        case 2: ("\(digits)-01", "\(digits)-31")
        default: (String(digits), String(digits))
        }
    }
}
