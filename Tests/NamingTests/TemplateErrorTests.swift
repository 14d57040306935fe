import Naming
import Testing

@Suite("Errors in templates")
struct TemplateErrorTests {
    @Test(
        "An error names the column",
        arguments: [
            ("{PatienName}", 2, "PatientName"), ("{PatientID}/{Foo|Bar}", 14, "PatientID"),
            ("{StudyDate|SerieDate}", 12, "SeriesDate"), ("{PatientName", 1, "}"),
            ("x {PatientName/{StudyDate}", 3, "}"), ("{PatientName{x}}", 1, "}"),
            ("{}", 2, "keyword"),
            ("{PatientID|}", 12, "keyword"), ("a}b", 2, "}}"), ("", 1, "level"),
            ("   ", 1, "level"),
            ("/a", 1, "level"), ("a/", 3, "level"), ("a//b", 3, "level"), ("a/ /b", 3, "level"),
            ("{StudyDate:yy}", 12, "yyyy"), ("{StudyDate:mm}", 12, "MM"),
            ("{StudyDate:}", 12, "yyyy"),
            ("{StudyDate:-}", 12, "yyyy"), ("{SeriesNumber:x}", 15, "digits"),
            ("{SeriesNumber:0}", 15, "12"),
            ("{SeriesNumber:+3}", 15, "12"), ("{SeriesNumber:99}", 15, "12"),
            ("{PatientID:3}", 11, "format"),
            ("{PatientName.first}", 14, "family"), ("{PatientID.family}", 12, "PatientName"),
            ("{PatientName.family:3}", 20, "format"), ("{Series:3}", 2, "SeriesNumber"),
            ("{Series|Modality}", 2, "SeriesNumber"), ("{Series!}", 8, "SeriesDescription!"),
            ("{OtherPatientIDs.chip}", 18, "microchip"),
            ("{OtherPatientIDs.microchip:3}", 27, "format"),
            ("{PatientID!|Modality}", 2, "PatientID"), ("{PatientID!!}", 2, "PatientID"),
            ("1/2/3/4/5/6/7/8/9/10/11", 22, "10"),
            (String(repeating: "(", count: 2_000), 1_001, "1000"),
        ])
    func columns(template: String, column: Int, hint: String) {
        let error = #expect(throws: TemplateError.self) { try Template(template) }
        #expect(error?.column == column)
        #expect(error?.description.contains(hint) == true, "\(error?.description ?? "")")
        #expect(error?.description.hasPrefix("column \(column): ") == true)
    }

    @Test(
        "The nearest keyword is suggested only when it is near",
        arguments: [
            ("{Patientname1}", "did you mean PatientName?"),
            ("{StudyInstanceUD}", "did you mean StudyInstanceUID?"),
            ("{serie}", "did you mean Series?"),
            ("{Xyzzy}", "the attributes are Series, AccessionNumber, "),
        ])
    func suggestions(template: String, hint: String) {
        let error = #expect(throws: TemplateError.self) { try Template(template) }
        #expect(error?.remedy.hasPrefix(hint) == true, "\(error?.remedy ?? "")")
    }

    @Test("The place of an error is marked below the template")
    func marked() throws {
        let text = "Größe/{StudyDate}/{PatienID}"
        let error = try #require(throws: TemplateError.self) { try Template(text) }
        #expect(error.marked(in: text) == "\(text)\n                   ^")
        let end = try #require(throws: TemplateError.self) { try Template("a/") }
        #expect(end.marked(in: "a/") == "a/\n  ^")
    }
}
