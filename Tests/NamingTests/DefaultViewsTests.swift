import DICOM
import Naming
import Testing

@Suite("Default views")
struct DefaultViewsTests {
    private func path(_ view: String, _ header: Header) throws -> String {
        let view = try #require(DefaultViews.all.first { $0.name == view })
        if view.template.leavesOut(header) { return "" }
        let names = view.template.components(for: header) + [FileName.name(view.fileNaming, header)]
        return names.joined(separator: "/")
    }

    @Test("There are nine, with portable names")
    func names() {
        let names = DefaultViews.all.map(\.name)
        #expect(
            names == [
                "by-patient", "by-date", "by-modality", "by-id", "by-owner", "by-species",
                "by-microchip",
                "by-accession", "by-uid",
            ])
        #expect(names.flatMap(portabilityFaults) == [])
    }

    @Test(
        "A complete header",
        arguments: [
            ("by-patient", "Smith^Rex (1234)/2024-03-05/001 DX Hip VD/00002.dcm"),
            ("by-date", "2024/03/05/Smith^Rex (1234) Hip dysplasia/001 DX Hip VD/00002.dcm"),
            ("by-modality", "DX/2024-03/Smith^Rex (1234) 2024-03-05/001 DX Hip VD/00002.dcm"),
            ("by-id", "1234/2024-03-05/001 DX Hip VD/00002.dcm"),
            ("by-owner", "Smith^Mary/Smith^Rex (1234)/2024-03-05/001 DX Hip VD/00002.dcm"),
            ("by-species", "Canine/unknown/Smith^Rex (1234)/2024-03-05/001 DX Hip VD/00002.dcm"),
            ("by-microchip", ""), ("by-accession", "A77/001 DX Hip VD/00002.dcm"),
            ("by-uid", "2.25.10/2.25.11/2.25.12.dcm"),
        ])
    func complete(view: String, expected: String) throws {
        #expect(try path(view, .dog) == expected)
    }

    @Test(
        "An empty header",
        arguments: [
            ("by-patient", "unknown/undated/unknown/unknown.dcm"),
            ("by-date", "undated/undated/undated/unknown/unknown/unknown.dcm"),
            ("by-modality", "unknown/undated/unknown/unknown/unknown.dcm"),
            ("by-id", "unknown/undated/unknown/unknown.dcm"),
            ("by-owner", "unknown/unknown/undated/unknown/unknown.dcm"),
            ("by-species", "unknown/unknown/unknown/undated/unknown/unknown.dcm"),
            ("by-microchip", ""), ("by-accession", ""),
            ("by-uid", "unknown/unknown/unknown.dcm"),
        ])
    func missing(view: String, expected: String) throws {
        #expect(try path(view, [:]) == expected)
    }

    @Test(
        "A header of a veterinary practice that fills in little",
        arguments: [
            ("by-patient", "Müller^Minka/2023-11-02/DX/00001.dcm"),
            ("by-date", "2023/11/02/Müller^Minka/DX/00001.dcm"),
            ("by-modality", "DX/2023-11/Müller^Minka 2023-11-02/DX/00001.dcm"),
            ("by-id", "unknown/2023-11-02/DX/00001.dcm"),
            ("by-owner", "Müller/Müller^Minka/2023-11-02/DX/00001.dcm"),
            ("by-species", "Feline/unknown/Müller^Minka/2023-11-02/DX/00001.dcm"),
            ("by-microchip", ""), ("by-accession", ""),
            ("by-uid", "2.25.1/2.25.2/2.25.3.dcm"),
        ])
    func veterinary(view: String, expected: String) throws {
        let cat: Header = [
            .patientName: "Mu\u{308}ller^Minka^^^", .patientID: "", .responsiblePerson: "",
            .acquisitionDate: "2023.11.02", .modality: "DX", .instanceNumber: "1 ",
            .studyInstanceUID: "2.25.1\0", .seriesInstanceUID: "2.25.2",
            .sopInstanceUID: "2.25.3\0",
            .patientSpeciesDescription: "Feline",
        ]
        #expect(try path(view, cat) == expected)
    }

    @Test(
        "A hostile header",
        arguments: [
            ("by-patient", "_etc_CON_ (.._.)/undated/-001 _ _/A_B.dcm"),
            ("by-id", "_._/undated/-001 _ _/A_B.dcm"),
            ("by-owner", "NUL_/_etc_CON_ (.._.)/undated/-001 _ _/A_B.dcm"),
            ("by-accession", "AUX_.x/-001 _ _/A_B.dcm"),
            ("by-uid", "_/_1/_.dcm"),
        ])
    func hostile(view: String, expected: String) throws {
        let header: Header = [
            .patientName: "/etc/CON:", .patientID: "../.", .studyDate: "20241399", .modality: "*",
            .seriesNumber: "-1", .seriesDescription: "?", .instanceNumber: "A/B",
            .accessionNumber: "AUX.x",
            .responsiblePerson: "NUL", .studyInstanceUID: "..", .seriesInstanceUID: ".1",
            .sopInstanceUID: "é",
        ]
        #expect(try path(view, header) == expected)
    }

    @Test("Only a last level that is the series UID names files by their UID")
    func fileNaming() throws {
        func naming(_ template: String) throws -> FileNaming {
            View(name: "v", template: try Template(template)).fileNaming
        }
        #expect(try naming("{StudyInstanceUID}/{SeriesInstanceUID}") == .sopInstanceUID)
        #expect(try naming("{SeriesInstanceUID}/{Modality}") == .instanceNumber)
        #expect(try naming("{Modality} {SeriesInstanceUID}") == .instanceNumber)
        #expect(try naming("{SeriesInstanceUID|StudyInstanceUID}") == .instanceNumber)
    }

    @Test(
        "A file is named after its number",
        arguments: [
            ("1", "00001.dcm"), ("+12", "00012.dcm"), ("123456", "123456.dcm"), ("", "unknown.dcm"),
            ("3.0", "3.0.dcm"), ("Größe", "Gr__e.dcm"), ("CON", "CON_.dcm"), ("..", "_.dcm"),
        ])
    func fileNames(number: String, name: String) {
        #expect(FileName.instance([.instanceNumber: number] as Header) == name)
    }

    @Test("Files with long numbers or UIDs stay apart")
    func longFileNames() {
        let stem = String(repeating: "1", count: 400)
        let one = FileName.sopInstance([.sopInstanceUID: stem + "1"] as Header)
        let two = FileName.sopInstance([.sopInstanceUID: stem + "2"] as Header)
        #expect(one != two)
        #expect(one.utf8.count <= 255)
        #expect(
            FileName.sopInstance([.sopInstanceUID: String(stem.prefix(64))] as Header)
                == String(stem.prefix(64)) + ".dcm")
    }
}
