import DICOM
import DICOMSupport
import SyntheticStudy
import Testing

private func header(_ bytes: [UInt8]) throws -> HeaderAttributes {
    var reader = HeaderReader()
    return try reader.read(BufferSource(bytes))
}

@Suite("The sample archive")
struct SampleArchiveTests {
    @Test("It is the same in every run, with paths and instances of its own for each file")
    func deterministic() throws {
        let files = SampleArchive.files()
        #expect(files.count == 17)
        #expect(files.map(\.bytes) == SampleArchive.files().map(\.bytes))
        #expect(Set(files.map(\.path)).count == files.count)
        #expect(
            try Set(files.map { try header($0.bytes)[.sopInstanceUID] ?? "" }).count == files.count)
    }

    @Test("It shows two animals, their owners and their chips")
    func patients() throws {
        var animals: Set<[String?]> = []
        for file in SampleArchive.files() {
            let header = try header(file.bytes)
            let attributes: [Attribute] = [
                .patientName, .patientID, .responsiblePerson, .patientSpeciesDescription,
                .patientSexNeutered, .otherPatientIDs,
            ]
            animals.insert(attributes.map { header[$0] })
        }
        #expect(
            animals == [
                ["Smith^Rex", "1001", "Smith^Mary", "Canine", "ALTERED", "RFID:276098100123456"],
                [
                    "Müller^Minka", "1002", "Müller^Jürgen", "Feline", "ALTERED",
                    "RFID:276098100654321",
                ],
            ])
    }

    @Test("It holds five studies in two years, by three modalities")
    func studies() throws {
        var studies: [String: Int] = [:]
        for file in SampleArchive.files(year: 2024) {
            let header = try header(file.bytes)
            studies["\(header[.studyDate] ?? "") \(header[.modality] ?? "")", default: 0] += 1
        }
        #expect(
            studies == [
                "20230314 DX": 2, "20240211 DX": 1, "20240520 DX": 1, "20240520 US": 1,
                "20240303 CT": 12,
            ])
    }
}

@Suite("Synthetic images")
struct SyntheticImageTests {
    @Test("An image is read as it was written", arguments: SyntheticModality.allCases)
    func reading(modality: SyntheticModality) throws {
        var image = SyntheticImage(seed: 7, modality: modality)
        image.patient.name = "Łukasz^Zoë=山田^花"
        image.number = 12
        let header = try header(image.write())
        #expect(header[.patientName] == "Łukasz^Zoë=山田^花")
        #expect(header[.instanceNumber] == "12")
        #expect(header[.modality] == modality.rawValue)
        #expect(header[.sopClassUID] == image.sopClassUID)
        #expect(header[.sopInstanceUID] == image.sopInstanceUID)
        #expect(header[.studyInstanceUID] == image.examination.uid)
        #expect(header[.seriesInstanceUID] == image.series.uid)
        #expect(header[.rows] == "64")
        #expect(header[.transferSyntaxUID] == "1.2.840.10008.1.2.1")
        #expect(header.flags == [])
    }

    @Test("Elements can be replaced, added and left out")
    func overriding() throws {
        var image = SyntheticImage(seed: 7)
        image.overrides = [
            SyntheticElement(0x0010_0010, "PN", "Other^Name"),
            SyntheticElement(0x0008_0018, "UI", "1.2.3"),
            SyntheticElement(0x0008_103E, "LO", "a\\b"),
        ]
        image.omitted = [0x0008_0020]
        let header = try header(image.write())
        #expect(header[.patientName] == "Other^Name")
        #expect(header[.sopInstanceUID] == "1.2.3")
        #expect(header[.seriesDescription] == "a\\b")
        #expect(header[.studyDate] == nil)
    }

    @Test("The images of a study share what belongs to the study, and no instance UID")
    func study() {
        let study = SyntheticStudy(seed: 5, series: 2, imagesPerSeries: 4)
        let images = Array(study.images())
        #expect(images.count == 8)
        #expect(Set(images.map(\.examination.uid)).count == 1)
        #expect(Set(images.map(\.series.uid)).count == 2)
        #expect(Set(images.map(\.sopInstanceUID)).count == 8)
        #expect(images.map(\.number) == [1, 2, 3, 4, 1, 2, 3, 4])
        #expect(images.map { $0.write() } == study.images().map { $0.write() })
    }
}

@Suite("The synthetic archive for load")
struct SyntheticArchiveTests {
    @Test("Every file has the length that was asked for, and its own instance UID")
    func lengths() throws {
        let archive = SyntheticArchive(seed: 1, patients: 10, bytesPerImage: 4_096)
        #expect(archive.count == 1_000)
        var instances: Set<String> = []
        for image in archive {
            let bytes = image.write()
            #expect(bytes.count == 4_096)
            instances.insert(try #require(try header(bytes)[.sopInstanceUID]))
        }
        #expect(instances.count == 1_000)
    }

    @Test("It has as many patients, studies and series as it says, over five years")
    func structure() {
        let archive = SyntheticArchive(
            seed: 2, patients: 200, studiesPerPatient: 2, seriesPerStudy: 3, imagesPerSeries: 2)
        #expect(Set(archive.map(\.patient.id)).count == 200)
        #expect(Set(archive.map(\.examination.uid)).count == 400)
        #expect(Set(archive.map(\.series.uid)).count == 1_200)
        #expect(Set(archive.map { $0.examination.date.prefix(4) }).count == 5)
        #expect(Set(archive.map(\.series.modality)) == Set(SyntheticModality.allCases))
        #expect(Set(archive.map(\.patient.name)).count > 100)
    }

    @Test("An image depends on nothing but the seed and its number")
    func randomAccess() {
        let archive = SyntheticArchive(seed: 3, patients: 100)
        let same = SyntheticArchive(seed: 3, patients: 100)
        let other = SyntheticArchive(seed: 4, patients: 100)
        #expect(archive[9_999].write() == same[9_999].write())
        #expect(archive[17].write() != other[17].write())
    }
}
