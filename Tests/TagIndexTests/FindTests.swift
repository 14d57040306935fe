import DICOM
import TagIndex
import Testing

@Suite("Finding studies")
struct FindTests {
    private let fixture: IndexFixture

    /// Four studies: Rex's hip of 2024, his chest CT of 2023 in two series, Minka's
    /// ultrasound of 2024, and one without date or name.
    init() throws {
        fixture = try IndexFixture()
        try fixture.add(rex, seed: 1)
        let chest = rex.with([
            .studyInstanceUID: "1.2.4", .studyDate: "20231120", .modality: "CT",
            .studyDescription: "Thorax",
            .seriesInstanceUID: "1.2.4.1", .seriesDescription: "Lung", .sopInstanceUID: "1.2.4.1.1",
            .bodyPartExamined: "CHEST", .accessionNumber: "A102",
        ])
        try fixture.add(chest, seed: 2)
        try fixture.add(chest.with([.instanceNumber: "2", .sopInstanceUID: "1.2.4.1.2"]), seed: 3)
        try fixture.add(
            chest.with([
                .seriesInstanceUID: "1.2.4.2", .seriesNumber: "2", .seriesDescription: "Bone",
                .sopInstanceUID: "1.2.4.2.1", .modality: "SR",
            ]), seed: 4)
        try fixture.add(
            AttributeSet([
                .patientName: "Müller^Minka", .patientID: "1002",
                .responsiblePerson: "Müller^Jürgen",
                .studyInstanceUID: "1.2.5", .seriesInstanceUID: "1.2.5.1",
                .sopInstanceUID: "1.2.5.1.1",
                .studyDate: "20240501", .modality: "US", .studyDescription: "Écho abdominale",
                .otherPatientIDs: "276098100654321\\X-9",
                .patientBreedDescription: "European Shorthair",
                .manufacturer: "Smithson",
            ]), seed: 5)
        try fixture.add(
            AttributeSet([
                .studyInstanceUID: "1.2.6", .seriesInstanceUID: "1.2.6.1",
                .sopInstanceUID: "1.2.6.1.1",
                .patientID: "0", .patientName: "山田^太郎=やまだ^たろう", .modality: "OT",
            ]), seed: 6)
    }

    private func find(_ words: String..., limit: Int = 100) throws -> [String] {
        try fixture.index.read { reader in
            try reader.studies(SearchQuery(words: words), limit: limit).map {
                $0.attributes[.studyInstanceUID] ?? ""
            }
        }
    }

    @Test(
        "A word matches the beginning of a part of a name, in any case",
        arguments: ["smith", "SMI", "Sm", "rex", "Mary"])
    func prefixOfName(word: String) throws {
        #expect(try find(word) == ["1.2.3", "1.2.4"])
    }

    @Test("The middle of a name is not its beginning", arguments: ["mith", "ex", "uller"])
    func noMiddle(word: String) throws {
        #expect(try find(word) == [])
    }

    @Test(
        "Accents and case do not matter",
        arguments: ["Müller", "muller", "MÜLLER", "mUl", "Mu\u{308}ller", "jurgen", "echo", "ÉCHO"])
    func accents(word: String) throws {
        #expect(try find(word) == ["1.2.5"])
    }

    @Test("Names in other scripts are found by their beginning", arguments: ["山田", "山", "たろ"])
    func otherScripts(word: String) throws {
        #expect(try find(word) == ["1.2.6"])
    }

    @Test(
        "Ids, chips, accession numbers, modalities and descriptions are words too",
        arguments: [
            ("1002", ["1.2.5"]), ("276098100654321", ["1.2.5"]), ("A102", ["1.2.4"]),
            ("us", ["1.2.5"]),
            ("thorax", ["1.2.4"]), ("bone", ["1.2.4"]), ("dyspl", ["1.2.3"]),
            ("100", ["1.2.5", "1.2.3", "1.2.4"]),
        ])
    func otherWords(word: String, found: [String]) throws {
        #expect(try find(word) == found)
    }

    @Test("A word without a keyword is not searched for among manufacturers")
    func notEverywhere() throws {
        #expect(try find("Examplinger") == [])
        #expect(try find("Smithson") == [])
    }

    @Test("Species, breed, part of the body and referring vet are words too, and a dog is a canine")
    func animals() throws {
        let horse = rex.with([
            .studyInstanceUID: "1.3", .seriesInstanceUID: "1.3.1", .sopInstanceUID: "1.3.1.1",
            .patientName: "Star",
            .patientSpeciesDescription: "HORSE", .patientBreedDescription: "Icelandic",
            .bodyPartExamined: "FETLOCK",
            .referringPhysicianName: "Dr^Väterli",
        ])
        try fixture.add(horse, seed: 7)
        for word in ["horse", "equine", "EQU", "icelandic", "fetlock", "vaterli"] {
            #expect(try find(word) == ["1.3"], "\(word)")
        }
        try fixture.add(
            horse.with([
                .studyInstanceUID: "1.4", .seriesInstanceUID: "1.4.1", .sopInstanceUID: "1.4.1.1",
                .patientSpeciesDescription: "Canis lupus familiaris",
            ]),
            seed: 8)
        for word in ["lupus", "dog"] { #expect(try find(word).contains("1.4"), "\(word)") }
        #expect(try !find("canine").contains("1.3") && find("canine").contains("1.4"))
        for (number, species) in [(5, "Bovine"), (6, "Guinea pig")] {
            try fixture.add(
                horse.with([
                    .studyInstanceUID: "1.\(number)", .seriesInstanceUID: "1.\(number).1",
                    .sopInstanceUID: "1.\(number).1.1",
                    .patientSpeciesDescription: species,
                ]), seed: UInt64(number + 10))
        }
        #expect(try find("cow").contains("1.5") && !find("cat").contains("1.5"))
        #expect(try find("guinea").contains("1.6") && !find("porcine").contains("1.6"))
        // Only the word that the device wrote is the value.
        #expect(try find("species=dog") == [])
    }

    @Test(
        "Dates narrow, and the newest study comes first",
        arguments: [
            ("2024", ["1.2.5", "1.2.3"]), ("2024-03", ["1.2.3"]), ("2024-03-14", ["1.2.3"]),
            ("2023-11-20..2024-03-14", ["1.2.3", "1.2.4"]),
            ("..2023", ["1.2.4"]), ("2024-04..", ["1.2.5"]), ("2022", []),
        ])
    func dates(word: String, found: [String]) throws {
        #expect(try find(word) == found)
    }

    @Test(
        "key=value means the whole value, one of its components, or a beginning with *",
        arguments: [
            ("Modality=CT", ["1.2.4"]), ("modality=ct", ["1.2.4"]), ("Modality=C", []),
            ("Modality=C*", ["1.2.4"]),
            ("name=smith", ["1.2.3", "1.2.4"]), ("name=smi", []),
            ("name=smi*", ["1.2.3", "1.2.4"]),
            ("name=Smith^Rex", ["1.2.3", "1.2.4"]), ("owner=muller", ["1.2.5"]),
            ("id=1001", ["1.2.3", "1.2.4"]),
            ("id=100", []), ("id=100*", ["1.2.5", "1.2.3", "1.2.4"]),
            ("microchip=276098100654321", ["1.2.5"]),
            ("microchip=X-9", ["1.2.5"]), ("Manufacturer=Smithson", ["1.2.5"]),
            ("BodyPartExamined=hip", ["1.2.3"]),
            ("breed=european", ["1.2.5"]), ("study=1.2.4", ["1.2.4"]),
            ("series=1.2.4.2", ["1.2.4"]),
            ("uid=1.2.4.1.2", ["1.2.4"]), ("uid=9.9", []),
        ])
    func attributes(word: String, found: [String]) throws {
        #expect(try find(word) == found)
    }

    @Test("All terms must match")
    func several() throws {
        #expect(try find("smith", "2024") == ["1.2.3"])
        #expect(try find("smith", "rex", "ct") == ["1.2.4"])
        #expect(try find("smith rex 2023 Modality=CT lung") == ["1.2.4"])
        #expect(try find("smith", "us") == [])
        #expect(try find("2024", "Modality=US") == ["1.2.5"])
    }

    @Test("A limit keeps the newest")
    func limits() throws {
        #expect(try find("100", limit: 2) == ["1.2.5", "1.2.3"])
        #expect(try find("100", limit: 0) == [])
    }

    @Test("A study has its matching series, their images and modalities, and its paths")
    func details() throws {
        let found = try fixture.index.read {
            try $0.studies(SearchQuery(words: ["thorax"]), limit: 9)
        }
        let study = try #require(found.first)
        #expect((study.series, study.images) == (2, 3))
        #expect(study.modalities.sorted() == ["CT", "SR"])
        #expect(study.date == "2023-11-20")
        #expect(study.paths.contains(["by-id", "1001", "2023-11-20", "001 CT Lung"]))
        #expect(study.paths.count == 8)
        let lung = try fixture.index.read { try $0.studies(SearchQuery(words: ["lung"]), limit: 9) }
        #expect(lung.map(\.series) == [1])
        #expect(lung.map(\.images) == [2])
    }

    @Test(
        "Words of the full-text language are only words",
        arguments: [
            "\"", "\"\"", "smith\"", "OR", "NOT", "NEAR(", "name:", "*", "-", "^", "(", "{}",
            "a\"b'c", "'; DROP TABLE series;", "a\u{0}b", "%", "_",
        ])
    func hostileWords(word: String) throws {
        let found = try find(word, "smith")
        #expect(Set(found).isSubset(of: ["1.2.3", "1.2.4"]))
        #expect(try find("smith") == ["1.2.3", "1.2.4"])
    }

    @Test(
        "Punctuation between words does not hide what the other words find",
        arguments: ["-", "*", "^"])
    func punctuation(word: String) throws {
        #expect(try find("smith", word, "rex") == ["1.2.3", "1.2.4"])
    }
}
