import DICOM

/// The names of studies and series in searches: portable, and the same in every search.
public enum FoundName {
    /// The name of a study, `2024-05-01 Smith^Rex (1234) CT Thorax`: date, name, id, modality and
    /// description, as far as it has them.
    ///
    /// - Parameter values: Those of its first series, so that the name stays when others arrive.
    public static func study(_ values: some AttributeValues) -> String {
        // "CT CT Thorax" says no more than "CT Thorax".
        let modality = values[.modality] ?? ""
        let first = values[.studyDescription]?.split { !$0.isLetter && !$0.isNumber }.first ?? ""
        let isSaid = first.lowercased() == modality.lowercased()
        return name(isSaid ? studyWithoutModality : study, values)
    }

    /// The name of a series, `001 CT Thorax`, as in the views.
    public static func series(_ values: some AttributeValues) -> String { name(series, values) }

    private static let study = template(
        "{StudyDate} {PatientName} ({PatientID}) {Modality} {StudyDescription}")
    private static let studyWithoutModality = template(
        "{StudyDate} {PatientName} ({PatientID}) {StudyDescription}")
    private static let series = template("{Series}")

    private static func name(_ template: Template, _ values: some AttributeValues) -> String {
        template.components(for: values).joined(separator: " ")
    }

    private static func template(_ text: String) -> Template {
        do { return try Template(text) } catch {
            preconditionFailure("The template \(text) is wrong: \(error)")
        }
    }
}
