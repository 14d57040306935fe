import DICOM

/// The words by which searches find a series, a text for each column of the table `words`.
struct SearchWords: Sendable {
    var name: String
    var id: String
    var study: String
    var other: String

    init(_ attributes: AttributeSet) {
        func text(_ list: [Attribute]) -> String {
            list.compactMap { attributes[$0] }.joined(separator: " ")
        }
        let named: [Attribute] = [.patientName, .responsiblePerson, .referringPhysicianName]
        let identified: [Attribute] = [.patientID, .otherPatientIDs, .accessionNumber]
        let described: [Attribute] = [
            .modality, .studyDescription, .seriesDescription, .patientSpeciesDescription,
            .patientBreedDescription, .bodyPartExamined,
        ]
        name = text(named)
        id = text(identified)
        study =
            ([text(described)] + SpeciesNames.others(in: attributes[.patientSpeciesDescription]))
            .joined(separator: " ")
        other = text(Attribute.allCases.filter { !(named + identified + described).contains($0) })
    }
}

extension SearchQuery {
    /// The terms, except dates, as a query of the full-text index; `nil` when there are none.
    var match: String? {
        let phrases = terms.compactMap { term -> String? in
            switch term {
            // Other attributes are found only by `key=value`: a plain word that begins a
            // manufacturer's name is hardly meant.
            case .word(let word): "{name id study} : \(quoted(word))*"
            case .attribute(_, let value)
            where value.contains(where: { $0.isLetter || $0.isNumber }):
                quoted(value.hasSuffix("*") ? String(value.dropLast()) : value)
                    + (value.hasSuffix("*") ? "*" : "")
            case .attribute, .days: nil
            }
        }
        return phrases.isEmpty ? nil : phrases.joined(separator: " AND ")
    }

    private func quoted(_ text: String) -> String {
        // SQLite would take NUL for the end of the query. The loop goes by scalars, because a quote
        // with a combining mark after it is another Character.
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\u{0}": result.unicodeScalars.append(" ")
            case "\"": result += "\"\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
