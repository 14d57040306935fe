import DICOM

/// Attributes as a test writes them down.
struct Header: AttributeValues, ExpressibleByDictionaryLiteral, CustomStringConvertible {
    var values: [Attribute: String]

    init(dictionaryLiteral elements: (Attribute, String)...) {
        values = Dictionary(elements) { $1 }
    }

    subscript(attribute: Attribute) -> String? { values[attribute] }

    func with(_ attribute: Attribute, _ value: String?) -> Header {
        var copy = self
        copy.values[attribute] = value
        return copy
    }

    var description: String {
        values.map { "\($0.key.keyword)=\($0.value)" }.sorted().joined(separator: ", ")
    }

    static let dog: Header = [
        .patientName: "Smith^Rex", .patientID: "1234", .studyDate: "20240305",
        .studyDescription: "Hip dysplasia", .modality: "DX", .seriesNumber: "1",
        .seriesDescription: "Hip VD", .instanceNumber: "2", .accessionNumber: "A77",
        .responsiblePerson: "Smith^Mary", .studyInstanceUID: "2.25.10",
        .seriesInstanceUID: "2.25.11", .sopInstanceUID: "2.25.12",
        .patientSpeciesDescription: "Canine",
    ]
}
