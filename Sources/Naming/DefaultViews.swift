/// The views of an archive whose configuration names none.
public enum DefaultViews {
    /// In the order in which they are listed.
    public static let all: [View] = [
        view("by-patient", "{PatientName} ({PatientID})/{StudyDate}/{Series}"),
        view(
            "by-date",
            "{StudyDate:yyyy}/{StudyDate:MM}/{StudyDate:dd}/{PatientName} ({PatientID}) {StudyDescription}/{Series}"
        ),
        view(
            "by-modality",
            "{Modality}/{StudyDate:yyyy-MM}/{PatientName} ({PatientID}) {StudyDate}/{Series}"),
        view("by-id", "{PatientID}/{StudyDate}/{Series}"),
        view(
            "by-owner",
            "{ResponsiblePerson|PatientName.family}/{PatientName} ({PatientID})/{StudyDate}/{Series}"
        ),
        view("by-accession", "{AccessionNumber}/{Series}"),
        view("by-uid", "{StudyInstanceUID}/{SeriesInstanceUID}"),
    ]

    private static func view(_ name: String, _ template: String) -> View {
        do {
            return View(name: name, template: try Template(template))
        } catch {
            preconditionFailure("The template of the default view \(name) is wrong: \(error)")
        }
    }
}
