import Naming

/// All that the index keeps of a series, ready to be written: what takes time to work out, so
/// that another thread can do that than the one that writes.
public struct SeriesRows: Sendable {
    let id: Int64
    let created: Int64
    let key: String
    let patientKey: String
    /// Without the patient before it.
    let studyKey: String
    let date: String?
    let modality: String?
    let seriesUID: String?
    let studyUID: String?
    /// SOPInstanceUID of its first image.
    let firstUID: String?
    let attributes: String
    let words: SearchWords
    let paths: [[DirectoryName]]

    public init(_ record: SeriesRecord) {
        let attributes = record.attributes
        id = record.id
        created = record.created
        key = attributes.groupingKey
        patientKey = attributes.patientKey
        studyKey = attributes.studyKey
        date = StudyDay.of(attributes)
        modality = attributes[.modality]
        seriesUID = attributes[.seriesInstanceUID]
        studyUID = attributes[.studyInstanceUID]
        firstUID = attributes[.sopInstanceUID]
        self.attributes = attributes.json
        words = SearchWords(attributes)
        paths = record.paths.map { $0.map(DirectoryName.init) }
    }
}

/// The name of a directory, with what it is found by.
struct DirectoryName: Sendable {
    let shown: String
    let folded: String

    init(_ name: String) {
        shown = name
        folded = PortableName.folded(name)
    }
}
