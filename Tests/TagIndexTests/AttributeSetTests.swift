import SyntheticStudy
import DICOM
import Foundation
import TagIndex
import Testing

@Suite("Sets of attributes")
struct AttributeSetTests {
    /// Text that has broken JSON code before.
    static let hostile = [
        "", " ", "\"", "\\", "\\\\\"", "a\\b", "\n\r\t", "\u{0}", "\u{1}\u{1F}\u{7F}",
        "\u{80}\u{9F}",
        "\u{2028}\u{2029}", "\u{FEFF}", "\u{FFFD}", "Müller^Jürgen", "山田^太郎=やまだ^たろう", "🐕‍🦺", "null",
        "{\"PatientName\":1}", "</script>", "a\u{301}\u{302}", "\u{10FFFF}",
        String(repeating: "x", count: 70_000),
    ]

    private func random(_ generator: inout some RandomNumberGenerator) -> AttributeSet {
        var set = AttributeSet()
        for attribute in Attribute.allCases where Bool.random(using: &generator) {
            set[attribute] = Self.hostile.dropLast().randomElement(using: &generator) ?? ""
        }
        return set
    }

    @Test("Applying a difference to its base gives the set again, for any two sets")
    func differenceAndApplyingAreInverse() throws {
        var generator = SeededRandom(seed: 7)
        for _ in 0..<500 {
            let (base, set) = (random(&generator), random(&generator))
            try #require(base.applying(set.difference(from: base)) == set)
        }
    }

    @Test("A set does not differ from itself")
    func noDifference() {
        #expect(rex.difference(from: rex).isEmpty)
    }

    @Test("An attribute that only the base has is recorded as absent")
    func absence() {
        let difference = rex.with([.bodyPartExamined: nil]).difference(from: rex)
        #expect(difference.entries.map(\.attribute) == [.bodyPartExamined])
        #expect(difference.entries.map(\.value) == [nil])
        #expect(difference.present.isEmpty)
        #expect(difference.json == #"{"BodyPartExamined":null}"#)
    }

    @Test("An empty value is not the same as an absent one")
    func emptyIsPresent() {
        let empty = rex.with([.bodyPartExamined: ""])
        let absent = rex.with([.bodyPartExamined: nil])
        #expect(empty != absent)
        #expect(absent.applying(empty.difference(from: absent)) == empty)
    }

    @Test("JSON gives the same set again, absences included")
    func jsonRoundTrip() throws {
        var generator = SeededRandom(seed: 8)
        for _ in 0..<200 {
            let (base, set) = (random(&generator), random(&generator))
            try #require(AttributeSet(json: set.json) == set)
            let difference = set.difference(from: base)
            let read = try AttributeSet(json: difference.json)
            try #require(read == difference)
            try #require(base.applying(read) == set)
        }
    }

    @Test("Hostile text comes back from JSON scalar for scalar", arguments: hostile)
    func hostileText(text: String) throws {
        var set = AttributeSet()
        set[.patientName] = text
        let read = try AttributeSet(json: set.json)
        #expect(read[.patientName].map { Array($0.unicodeScalars) } == Array(text.unicodeScalars))
    }

    @Test(
        "JSON is one line of ASCII control-free text that another parser reads", arguments: hostile)
    func jsonIsStandard(text: String) throws {
        var set = AttributeSet()
        set[.studyDescription] = text
        #expect(!set.json.utf8.contains { $0 < 0x20 })
        let object =
            try JSONSerialization.jsonObject(with: Data(set.json.utf8)) as? [String: String]
        #expect(
            object?["StudyDescription"].map { Array($0.unicodeScalars) }
                == Array(text.unicodeScalars))
    }

    @Test("Unknown keywords are left out, and damaged JSON is an error that shows it")
    func unknownAndDamaged() throws {
        #expect(
            try AttributeSet(json: #"{"Modality":"CT","NoSuchThing":"x"}"#)
                == AttributeSet([.modality: "CT"]))
        for damaged in ["", "[]", "{", "{\"Modality\":}", "nonsense"] {
            let error = try #require(throws: IndexError.self) { try AttributeSet(json: damaged) }
            #expect(error.code == .corrupt)
            #expect(error.message == "The attributes are not a JSON object: \(damaged)")
        }
    }
}
