import DICOM
import Naming
import Testing

@Suite("Views that leave images out, and chips")
struct SelectiveTemplateTests {
    @Test(
        "A field with ! leaves out images without a value, and changes nothing for others",
        arguments: [
            ("{AccessionNumber!}/{Series}", "A77/001 DX Hip VD"), ("{AccessionNumber!}", "A77"),
            ("{StudyDate:yyyy!}", "2024"), ("{PatientName.given!}", "Rex"),
            ("{SeriesNumber:3!}", "001"),
            ("{BodyPartExamined|Modality!}", "DX"), ("{Modality} ({PatientID!})", "DX (1234)"),
            ("{BodyPartExamined!}", nil), ("{Modality}/{BodyPartExamined!}", nil),
            ("{PatientName.middle!}", nil),
            ("{Modality} ({BodyPartExamined!})", nil),
            ("{ViewPosition|BodyPartExamined!}/{Series}", nil),
            ("a!/{Modality}!", "a!/DX!"),
        ] as [(String, String?)])
    func required(text: String, path: String?) throws {
        let template = try Template(text)
        #expect(template.leavesOut(Header.dog) == (path == nil))
        if let path { #expect(template.components(for: Header.dog).joined(separator: "/") == path) }
        #expect(template.isSelective == text.contains("!}"))
    }

    @Test("Text that is empty, blank or not a date is not a value")
    func empty() throws {
        let template = try Template("{AccessionNumber!}")
        for value in ["", "  ", "\0", "\\"] {
            #expect(template.leavesOut([.accessionNumber: value] as Header))
        }
        #expect(try Template("{StudyDate!}").leavesOut([.studyDate: "20241399"] as Header))
    }

    @Test(
        "An identifier is a chip if it says so, or has 15 digits",
        arguments: [
            ("RFID:276098100123456", "276098100123456"), ("A1\\RFID:985-141 1", "985-141 1"),
            ("276098100123456", "276098100123456"), ("RFID:1\\X\\RFID:2", "1, 2"),
            ("1234", nil), ("27609810012345", nil), ("2760981001234567", nil),
            ("27609810012345A", nil),
            ("RFID:", nil), ("RFID: ", nil), ("", nil), ("٢٧٦٠٩٨١٠٠١٢٣٤٥٦", nil),
        ] as [(String, String?)])
    func chips(value: String, chip: String?) throws {
        let template = try Template("{OtherPatientIDs.microchip!}")
        let header: Header = [.otherPatientIDs: value]
        #expect(template.leavesOut(header) == (chip == nil))
        if let chip { #expect(template.components(for: header) == [chip]) }
        #expect(
            try Template("{otherpatientids.MICROCHIP}").components(for: header) == [
                chip ?? "unknown"
            ])
    }

    /// Owner^animal as in the standard, the other way round, and with parts missing as in practice.
    @Test(
        "by-owner tells whose animal it is as well as the tags allow",
        arguments: [
            (["Smith^Rex", "1234", "Smith^Mary"], "Smith^Mary/Smith^Rex (1234)"),
            (["Smith^Rex", "1234", ""], "Smith/Smith^Rex (1234)"),
            (["Rex^Smith", "1234", "Smith^Mary"], "Smith^Mary/Rex^Smith (1234)"),
            (["Rex^Smith", "1234", ""], "Rex/Rex^Smith (1234)"),
            (["ABC Farms^Running on Water", "", ""], "ABC Farms/ABC Farms^Running on Water"),
            (["Rex", "", ""], "Rex/Rex"), (["^Rex", "1234", ""], "1234/^Rex (1234)"),
            (["", "1234", ""], "1234/(1234)"),
            (["", "", "Smith^Mary"], "Smith^Mary/unknown"), (["", "", ""], "unknown/unknown"),
        ])
    func owners(values: [String], path: String) throws {
        let template = try #require(DefaultViews.all.first { $0.name == "by-owner" }).template
        let header: Header = [
            .patientName: values[0], .patientID: values[1], .responsiblePerson: values[2],
        ]
        #expect(template.components(for: header).prefix(2).joined(separator: "/") == path)
    }
}
