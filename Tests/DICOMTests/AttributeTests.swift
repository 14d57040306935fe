import DICOM
import Testing

@Suite("Attributes")
struct AttributeTests {
    @Test("A keyword finds its attribute whatever the case of its letters")
    func keywords() {
        for attribute in Attribute.allCases {
            #expect(Attribute(keyword: attribute.keyword) == attribute)
            #expect(Attribute(keyword: attribute.keyword.uppercased()) == attribute)
        }
        #expect(Attribute(keyword: "patientname") == .patientName)
        #expect(Attribute(keyword: "OtherPatientIDs") == .otherPatientIDs)
        #expect(Attribute(keyword: "Patient Name") == nil)
        #expect(Attribute(keyword: "") == nil)
    }

    @Test("Keywords and tags are unique, and tags ascend")
    func unique() {
        #expect(Set(Attribute.allCases.map(\.keyword)).count == Attribute.allCases.count)
        let tags = Attribute.allCases.map(\.tag)
        #expect(tags == tags.sorted())
        #expect(Set(tags).count == tags.count)
        // A header is read up to this one, and the table of texts ends with it.
        #expect(Attribute.allCases.last == .columns)
    }

    @Test("Tags and value representations are those of PS3.6")
    func dictionary() {
        #expect(Attribute.patientName.tag == Tag(0x0010, 0x0010))
        #expect(Attribute.patientName.vr == .PN)
        #expect(Attribute.seriesDescription.tag.description == "(0008,103E)")
        #expect(Attribute.columns.vr.description == "US")
        #expect(Attribute.patientBreedDescription.tag == Tag(0x0010, 0x2292))
        #expect(Attribute.responsiblePerson.tag == Tag(0x0010, 0x2297))
    }
}
