import DICOM

/// The names under which a search shows what it finds: portable, and the same in every search.
public enum FoundName {
    /// `2024-05-01 Smith^Rex (1234) CT Thorax`: date, name, id, modality and description of a
    /// study, as far as it has them.
    ///
    /// - parameter values: those of its first series, so that the name stays when others come
    public static func study(_ values: some AttributeValues) -> String {
        // «CT CT Thorax» says nothing more than «CT Thorax».
        let modality = values[.modality] ?? ""
        let first = values[.studyDescription]?.split { !$0.isLetter && !$0.isNumber }.first ?? ""
        let isSaid = first.lowercased() == modality.lowercased()
        return name(isSaid ? studyWithoutModality : study, values)
    }

    /// `001 CT Thorax`, as in the views.
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
