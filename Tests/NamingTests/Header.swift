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

/// A generator that yields the same values in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
