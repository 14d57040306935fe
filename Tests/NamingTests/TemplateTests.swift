import DICOM
import Naming
import Testing

@Suite("Templates")
struct TemplateTests {
    @Test(
        "A field shows its attribute",
        arguments: [
            ("{PatientName}", "Smith^Rex"), ("{patientid}", "1234"), ("{StudyDate}", "2024-03-05"),
            ("{StudyDate:yyyy}", "2024"), ("{StudyDate:MM}", "03"), ("{StudyDate:dd}", "05"),
            ("{StudyDate:yyyy-MM}", "2024-03"), ("{StudyDate:yyyyMMdd}", "20240305"),
            ("{StudyDate:dd.MM.yyyy}", "05.03.2024"), ("{SeriesNumber:3}", "001"),
            ("{SeriesNumber}", "1"),
            ("{Series}", "001 DX Hip VD"), ("{PatientName.family}", "Smith"),
            ("{PatientName.given}", "Rex"),
            ("{PatientName.middle}", "unknown"),
            ("{ResponsiblePerson|PatientName.family}", "Smith^Mary"),
            ("{PatientName.middle|StudyDescription}", "Hip dysplasia"), ("all", "all"),
            ("{{{PatientID}}}", "{1234}"), ("{{x", "{x"), ("x}}", "x}"),
            ("a - {PatientID}!", "a - 1234!"),
            ("{StudyDate|SeriesDate:yyyy}", "2024"), ("({PatientID}", "(1234"),
            ("{PatientID})", "1234)"),
            ("{SeriesNumber|InstanceNumber:2}", "01"),
        ])
    func fields(template: String, name: String) throws {
        #expect(try Template(template).components(for: Header.dog) == [name])
    }

    @Test(
        "An empty field vanishes with its punctuation",
        arguments: [
            ("{PatientName} ({AccessionNumber})", "Smith^Rex"),
            ("{AccessionNumber} ({PatientID})", "(1234)"),
            ("{AccessionNumber} - {PatientID} - {AccessionNumber}", "1234"),
            ("{PatientName} - {AccessionNumber} ({PatientID})", "Smith^Rex (1234)"),
            ("{PatientName}-{AccessionNumber}-{PatientID}", "Smith^Rex-1234"),
            ("{PatientName}-{AccessionNumber}{PatientID}", "Smith^Rex-1234"),
            ("{PatientName} (chip {AccessionNumber})", "Smith^Rex"),
            ("{PatientName} [{AccessionNumber}, {AccessionNumber}]", "Smith^Rex"),
            ("{PatientName} [{AccessionNumber}, {PatientID}]", "Smith^Rex [1234]"),
            ("({AccessionNumber})", "unknown"), ("Case {AccessionNumber}", "unknown"),
            ("{AccessionNumber} (fixed)", "unknown"), ("{PatientID} (fixed)", "1234 (fixed)"),
            ("{SeriesDate} {ContentDate}", "undated"),
            ("{SeriesDate} {AccessionNumber}", "unknown"),
            ("{PatientBirthDate:yyyy}", "undated"), ("{{{AccessionNumber}}} {PatientID}", "1234"),
        ])
    func empty(template: String, name: String) throws {
        for missing in [nil, "", "  ", "\\", "\0"] {
            let header = Header.dog.with(.accessionNumber, missing)
            #expect(try Template(template).components(for: header) == [name])
        }
    }

    @Test(
        "A person name is shown in its first group, without the carets at its end",
        arguments: [
            ("Smith^Rex^^^", "Smith^Rex"), (" Smith ^ Rex ", "Smith^Rex"), ("^Rex", "^Rex"),
            ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada^Tarou"), ("=山田^太郎=やまだ", "山田^太郎"),
            ("==やまだ^たろう", "やまだ^たろう"), ("^^^^", "unknown"), ("=", "unknown"),
            ("ABC Farms^Running on Water", "ABC Farms^Running on Water"), ("A^B\\C^D", "A^B, C^D"),
        ])
    func personNames(value: String, name: String) throws {
        #expect(
            try Template("{PatientName}").components(for: [.patientName: value] as Header) == [name]
        )
    }

    @Test(
        "The parts of a person name",
        arguments: [
            ("family", "Yamada"), ("given", "Tarou"), ("middle", "M"), ("prefix", "Dr"),
            ("suffix", "Jr"),
            ("ideographic", "山田^太郎"), ("phonetic", "やまだ^たろう"), ("Family", "Yamada"),
        ])
    func personNameParts(part: String, name: String) throws {
        let header: Header = [.patientName: "Yamada^Tarou^M^Dr^Jr=山田^太郎=やまだ^たろう"]
        #expect(try Template("{PatientName.\(part)}").components(for: header) == [name])
    }

    @Test(
        "Several values are separated by commas",
        arguments: [
            ("A\\B", "A, B"), ("A\\", "A"), ("\\B", "B"), ("A\\B\\C", "A, B, C"), ("\\", "unknown"),
        ])
    func severalValues(value: String, name: String) throws {
        #expect(
            try Template("{PatientID}").components(for: [.patientID: value] as Header) == [name])
    }

    @Test(
        "White space in a value is one space",
        arguments: [
            ("  a   b ", "a b"), ("a\r\nb", "a b"), ("a\u{3000}b", "a b"), ("a\0", "a"),
        ])
    func whiteSpace(value: String, name: String) throws {
        #expect(
            try Template("{PatientID}").components(for: [.patientID: value] as Header) == [name])
    }

    @Test(
        "Whole numbers are padded, and other text is shown as it is",
        arguments: [
            ("7", "007"), ("+7", "007"), ("-7", "-007"), ("0007", "007"), ("1234", "1234"),
            ("0", "000"),
            ("-0", "000"), ("7a", "7a"), ("3\\4", "003"), ("-", "-"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ])
    func numbers(value: String, name: String) throws {
        #expect(
            try Template("{SeriesNumber:3}").components(for: [.seriesNumber: value] as Header) == [
                name
            ])
    }

    @Test(
        "Only days of the calendar are dates",
        arguments: [
            ("20240229", "2024-02-29"), ("1994.11.05", "1994-11-05"), ("1994-11-05", "1994-11-05"),
            ("00010101", "0001-01-01"), ("20230229", "undated"), ("19000229", "undated"),
            ("20000229", "2000-02-29"), ("20241301", "undated"), ("20240431", "undated"),
            ("00000000", "undated"), ("2024", "undated"), ("19941.1.05", "undated"),
            ("", "undated"),
            ("20240305-20240306", "undated"), ("２０２４０３０５", "undated"),
            ("x\\20240305", "2024-03-05"),
        ])
    func dates(value: String, name: String) throws {
        #expect(
            try Template("{StudyDate}").components(for: [.studyDate: value] as Header) == [name])
    }

    @Test("A study without a date has the date of its series, acquisition or content")
    func dateFallback() throws {
        let template = try Template("{StudyDate}")
        var header: Header = [
            .studyDate: "bad", .seriesDate: "20240102", .acquisitionDate: "20240103",
            .contentDate: "20240104", .instanceCreationDate: "20240105",
        ]
        #expect(template.components(for: header) == ["2024-01-02"])
        header = header.with(.seriesDate, "")
        #expect(template.components(for: header) == ["2024-01-03"])
        header = header.with(.acquisitionDate, nil)
        #expect(template.components(for: header) == ["2024-01-04"])
        header = header.with(.contentDate, "20240230")
        #expect(template.components(for: header) == ["undated"])
        #expect(try Template("{SeriesDate}").components(for: header) == ["undated"])
    }

    @Test("A template knows its depth and its text")
    func depth() throws {
        let text = "{PatientName} ({PatientID})/{StudyDate}/{Series}"
        let template = try Template(text)
        #expect(template.depth == 3)
        #expect(template.description == text)
        #expect(try Template(text) == template)
    }

    @Test(
        "Hostile values make as many portable names as there are levels", arguments: UInt64(1)...4)
    func hostile(seed: UInt64) {
        var generator = HostileText(seed: seed)
        for _ in 0..<60 {
            var header: Header = [:]
            for attribute in Attribute.allCases where Int.random(in: 0..<8) > 0 {
                header = header.with(attribute, generator.text())
            }
            for view in DefaultViews.all {
                let names = view.template.components(for: header)
                #expect(names.count == view.template.depth)
                #expect(names.flatMap(portabilityFaults) == [])
                #expect(view.template.components(for: header) == names)
            }
            for name in [FileName.instance(header), FileName.sopInstance(header)] {
                #expect(portabilityFaults(name) == [])
                #expect(name.utf8.allSatisfy { $0 < 0x80 } && name.hasSuffix(".dcm"))
            }
        }
    }
}
