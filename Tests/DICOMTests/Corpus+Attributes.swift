import DICOM
import TestSupport

extension Corpus.Entry {
    /// The attributes that the other readers know.
    var compared: [Attribute] { Attribute.allCases.filter { expected[$0.keyword] != nil } }

    /// The right value; `nil` when the file does not have the attribute.
    func expected(_ attribute: Attribute) -> String? { expected[attribute.keyword] ?? nil }
}
