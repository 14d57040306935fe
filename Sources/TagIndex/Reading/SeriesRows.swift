import Naming

/// Everything that the index keeps of a series, ready to be written. Working it out takes time;
/// a thread other than the writing one can do it.
public struct SeriesRows: Sendable {
    let id: Int64
    let created: Int64
    let key: String
    let patientKey: String
    /// Without the prefix for the patient.
    let studyKey: String
    let date: String?
    let modality: String?
    let seriesUID: String?
    let studyUID: String?
    /// SOPInstanceUID of its first image.
    let firstUID: String?
    /// As JSON.
    let attributes: String
    let words: SearchWords
    let paths: [[DirectoryName]]

    /// Works out the rows of a series.
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

/// The name of a directory as it is shown and as it is looked up.
struct DirectoryName: Sendable {
    let shown: String
    let folded: String

    init(_ name: String) {
        shown = name
        folded = PortableName.folded(name)
    }
}
