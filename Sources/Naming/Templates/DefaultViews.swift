/// The views of a new archive.
///
/// In practice only one veterinary study in twenty has all the attributes it should have, and many
/// have neither an owner nor a chip. So by-owner shows the responsible person, else the family part
/// of the patient's name (PS3.5 6.2, PN), else the patient's number. by-microchip and by-accession
/// leave out images without a value, which would only make one huge folder `unknown`.
public enum DefaultViews {
    /// In the order in which they are listed.
    public static let all: [View] = [
        view("by-patient", "{PatientName} ({PatientID})/{StudyDate}/{Series}"),
        view(
            "by-date",
            "{StudyDate:yyyy}/{StudyDate:MM}/{StudyDate:dd}/"
                + "{PatientName} ({PatientID}) {StudyDescription}/{Series}"
        ),
        view(
            "by-modality",
            "{Modality}/{StudyDate:yyyy-MM}/{PatientName} ({PatientID}) {StudyDate}/{Series}"),
        view("by-id", "{PatientID}/{StudyDate}/{Series}"),
        view(
            "by-owner",
            "{ResponsiblePerson|PatientName.family|PatientID}/"
                + "{PatientName} ({PatientID})/{StudyDate}/{Series}"
        ),
        view(
            "by-species",
            "{PatientSpeciesDescription}/{PatientBreedDescription}/"
                + "{PatientName} ({PatientID})/{StudyDate}/{Series}"
        ),
        view(
            "by-microchip",
            "{OtherPatientIDs.microchip!}/{PatientName} ({PatientID})/{StudyDate}/{Series}"),
        view("by-accession", "{AccessionNumber!}/{Series}"),
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
