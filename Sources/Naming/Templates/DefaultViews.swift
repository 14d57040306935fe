/// The views of a new archive.
///
/// In practice one veterinary study in twenty has all the attributes it should have, and many
/// have neither owner nor chip. So the owner is whoever is responsible, else the family part of
/// the patient's name (PS3.5 6.2, PN), else nobody but the patient's number tells; and what
/// has no chip, or no accession number, would only make one huge folder `unknown` there.
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
            "{ResponsiblePerson|PatientName.family|PatientID}/{PatientName} ({PatientID})/{StudyDate}/{Series}"
        ),
        view(
            "by-species",
            "{PatientSpeciesDescription}/{PatientBreedDescription}/{PatientName} ({PatientID})/{StudyDate}/{Series}"
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
