import DICOM
import Naming
import TagIndex
import Testing

@Suite("Placing images")
struct PlacingTests {
    private let fixture: IndexFixture

    init() throws { fixture = try IndexFixture() }

    private func day(_ attributes: AttributeSet, seed: UInt64) throws -> String {
        try fixture.path(fixture.add(attributes, seed: seed), in: "by-patient")
    }

    @Test(
        "An image is in every view that does not leave it out, by number, and by UID in by-uid"
    )
    func everyView() throws {
        let place = try fixture.add(rex, seed: 1)
        #expect(
            try fixture.paths(place) == [
                "by-patient/Smith^Rex (1001)/2024-03-14/001 DX Hip VD/00001.dcm",
                "by-date/2024/03/14/Smith^Rex (1001) Hip dysplasia/001 DX Hip VD/00001.dcm",
                "by-modality/DX/2024-03/Smith^Rex (1001) 2024-03-14/001 DX Hip VD/00001.dcm",
                "by-id/1001/2024-03-14/001 DX Hip VD/00001.dcm",
                "by-owner/Smith^Mary/Smith^Rex (1001)/2024-03-14/001 DX Hip VD/00001.dcm",
                "by-species/unknown/unknown/Smith^Rex (1001)/2024-03-14/001 DX Hip VD/00001.dcm",
                "by-accession/A101/001 DX Hip VD/00001.dcm",
                "by-uid/1.2.3/1.2.3.1/1.2.3.1.1.dcm",
            ])
    }

    @Test("Directories group ignoring case, as they were spelled first")
    func groupsIgnoringCase() throws {
        #expect(
            try day(rex, seed: 1).hasPrefix("by-patient/Smith^Rex (1001)/2024-03-14/001 DX Hip VD/")
        )
        let shouting = rex.with([
            .patientName: "SMITH^REX", .seriesInstanceUID: "1.2.3.2",
            .seriesDescription: "Hip lateral",
            .seriesNumber: "2",
        ])
        #expect(
            try day(shouting, seed: 2)
                == "by-patient/Smith^Rex (1001)/2024-03-14/002 DX Hip lateral/00001.dcm")
        let patients = try fixture.index.read { reader in
            var names: [String] = []
            let view = try #require(try reader.node(in: 0, folded: "by-patient"))
            try reader.nodes(in: view.id, after: 0) {
                names.append($0.name); return true
            }
            return names
        }
        #expect(patients == ["Smith^Rex (1001)"])
    }

    @Test("Two series of the same name get a suffix that is the same in every index")
    func sameNameOfSeries() throws {
        let twin = rex.with([.seriesInstanceUID: "1.2.3.2", .sopInstanceUID: "1.2.3.2.1"])
        #expect(try day(rex, seed: 1).hasSuffix("/001 DX Hip VD/00001.dcm"))
        let path = try day(twin, seed: 2)
        #expect(
            path.wholeMatch(
                of:
                    #/by-patient/Smith\^Rex \(1001\)/2024-03-14/001 DX Hip VD ~[0-9a-f]{4}/00001.dcm/#
            ) != nil, "\(path)")
        // The suffix depends only on the series, not on the images before it.
        let other = try IndexFixture()
        try other.add(rex.with([.patientName: "Else^Somebody", .seriesInstanceUID: "7"]), seed: 8)
        try other.add(rex, seed: 3)
        #expect(try other.path(other.add(twin, seed: 4), in: "by-patient") == path)
        // And a later image of the series finds the same directory.
        let next = twin.with([.sopInstanceUID: "1.2.3.2.2", .instanceNumber: "2"])
        #expect(try day(next, seed: 5) == path.replacing("00001.dcm", with: "00002.dcm"))
    }

    @Test("Names that differ only in case get a suffix as well")
    func sameNameIgnoringCase() throws {
        _ = try day(rex, seed: 1)
        let path = try day(
            rex.with([.seriesInstanceUID: "1.2.3.2", .seriesDescription: "HIP vd"]), seed: 2)
        #expect(path.contains("/001 DX HIP vd ~"))
    }

    @Test("The same InstanceNumber twice gives the second a suffix from its digest")
    func sameInstanceNumber() throws {
        try fixture.add(rex, seed: 1)
        let second = try fixture.add(rex.with([.sopInstanceUID: "1.2.3.1.2"]), seed: 2)
        #expect(second.name == "00001 ~\(hex(digest(2)).prefix(4)).dcm")
        #expect(second.uidName == "1.2.3.1.2.dcm")
        #expect(
            try fixture.index.read {
                try $0.image(inSeries: second.series, name: "00001.dcm", byUID: false)?.id
            } == 1)
    }

    @Test(
        "Other bytes with the same SOPInstanceUID are a further version; the first keeps its name"
    )
    func versions() throws {
        let first = try fixture.add(rex, seed: 1)
        let second = try fixture.add(rex, seed: 2)
        let third = try fixture.add(rex, seed: 3)
        #expect(first.uidName == "1.2.3.1.1.dcm")
        #expect(first.name == "00001.dcm")
        #expect(second.uidName == "1.2.3.1.1 ~\(hex(digest(2)).prefix(4)).dcm")
        #expect(third.uidName == "1.2.3.1.1 ~\(hex(digest(3)).prefix(4)).dcm")
        #expect(
            try fixture.index.read { try $0.instances(sopInstanceUID: "1.2.3.1.1") } == [1, 2, 3])
    }

    @Test("Suffixes grow when four digits of the digest are in use")
    func longerSuffix() throws {
        try fixture.add(rex, seed: 1)
        let tag = hex(digest(2))
        let taken = "00001 ~\(tag.prefix(4)).dcm"
        try fixture.index.write { writer in
            let record = InstanceRecord(
                id: try writer.nextInstance(), series: 1, sha256: digest(99), bytes: 1, received: 5,
                name: taken,
                uidName: "x.dcm", flags: 0, source: "", volumes: [1], difference: AttributeSet())
            try writer.apply(record, sopInstanceUID: nil)
        }
        let place = try fixture.add(rex.with([.sopInstanceUID: "1.2.3.1.2"]), seed: 2)
        #expect(place.name == "00001 ~\(tag.prefix(8)).dcm")
    }

    @Test("One SeriesInstanceUID under two patients stays apart")
    func seriesUnderTwoPatients() throws {
        let mine = try fixture.add(rex, seed: 1)
        let theirs = try fixture.add(
            rex.with([.patientName: "Doe^Bella", .patientID: "2002"]), seed: 2)
        #expect(mine.series != theirs.series)
        #expect(
            try fixture.path(theirs, in: "by-patient")
                == "by-patient/Doe^Bella (2002)/2024-03-14/001 DX Hip VD/00001.dcm")
        // In by-uid both have the same name, so one gets a suffix.
        #expect(try fixture.path(theirs, in: "by-uid").hasPrefix("by-uid/1.2.3/1.2.3.1 ~"))
        #expect(try fixture.index.read { try $0.totals().patients } == 2)
        #expect(try fixture.index.read { try $0.totals().studies } == 2)
        #expect(try fixture.index.read { try $0.instances(seriesOrStudyUID: "1.2.3.1") } == [1, 2])
    }

    @Test("The same ids from two issuers are two patients")
    func issuers() throws {
        try fixture.add(rex.with([.issuerOfPatientID: "Clinic A"]), seed: 1)
        try fixture.add(rex.with([.issuerOfPatientID: "Clinic B"]), seed: 2)
        #expect(try fixture.index.read { try $0.totals().patients } == 2)
    }

    @Test(
        "Images without UIDs, number or date get a place too, each with its own name")
    func missingUIDs() throws {
        let bare = AttributeSet([.patientName: "Smith^Rex", .patientID: "1001", .modality: "OT"])
        let first = try fixture.add(bare, seed: 1)
        let second = try fixture.add(bare, seed: 2)
        #expect(first.series == second.series)
        #expect(first.name == "unknown.dcm")
        #expect(first.uidName == "unknown.dcm")
        #expect(second.name == "unknown ~\(hex(digest(2)).prefix(4)).dcm")
        #expect(second.uidName == second.name)
        #expect(
            try fixture.path(first, in: "by-patient")
                == "by-patient/Smith^Rex (1001)/undated/OT/unknown.dcm")
        let nothing = try fixture.add(AttributeSet(), seed: 3)
        for path in try fixture.paths(nothing) {
            #expect(path.split(separator: "/").allSatisfy { !$0.isEmpty })
        }
    }

    @Test("An empty UID counts as a missing one")
    func emptyStudyUID() throws {
        let monday = rex.with([
            .studyInstanceUID: "", .seriesInstanceUID: "", .accessionNumber: nil,
        ])
        let tuesday = monday.with([.studyDate: "20240315"])
        try fixture.add(monday, seed: 1)
        try fixture.add(tuesday, seed: 2)
        #expect(try fixture.index.read { try $0.totals().studies } == 2)
    }

    @Test(
        "Attributes that differ within a series are kept with the image, others with the series")
    func differences() throws {
        try fixture.add(rex, seed: 1)
        let second = rex.with([
            .sopInstanceUID: "1.2.3.1.2", .instanceNumber: "2", .bodyPartExamined: nil,
        ])
        let place = try fixture.add(second, seed: 2)
        #expect(
            place.difference.entries.map(\.attribute) == [
                .sopInstanceUID, .bodyPartExamined, .instanceNumber,
            ])
        #expect(try fixture.index.read { try $0.details(place.instance)?.attributes } == second)
    }

    @Test("Names in normal form C and D are one patient to a reader, and get one directory")
    func normalForms() throws {
        _ = try day(rex.with([.patientName: "M\u{FC}ller^Minka"]), seed: 1)
        let path = try day(
            rex.with([
                .patientName: "Mu\u{308}ller^Minka", .seriesInstanceUID: "1.2.3.2",
                .seriesNumber: "2",
            ]), seed: 2)
        #expect(path == "by-patient/Müller^Minka (1001)/2024-03-14/002 DX Hip VD/00001.dcm")
    }

    @Test("Hostile text makes names, and the details give it back")
    func hostileText() throws {
        for (number, text) in AttributeSetTests.hostile.enumerated() {
            let hostile = rex.with([
                .patientName: text, .studyDescription: text, .seriesDescription: text,
                .accessionNumber: text,
                .seriesInstanceUID: text, .studyInstanceUID: text, .sopInstanceUID: text,
                .instanceNumber: text,
            ])
            let place = try fixture.add(hostile, seed: UInt64(number))
            let details = try #require(try fixture.index.read { try $0.details(place.instance) })
            try #require(details.attributes == hostile, "\(text.debugDescription)")
            for path in details.paths {
                #expect(path.dropFirst().allSatisfy { $0 == PortableName.component($0) }, "\(path)")
            }
        }
    }
}
