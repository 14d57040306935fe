import DICOM
import Testing

@testable import TagIndex

@Suite("Search queries")
struct SearchQueryTests {
    @Test(
        "Dates and ranges become days, both ends included",
        arguments: [
            ("2024", "2024-01-01", "2024-12-31"), ("2024-05", "2024-05-01", "2024-05-31"),
            ("2024-05-01", "2024-05-01", "2024-05-01"), ("20240501", "2024-05-01", "2024-05-01"),
            ("2024-01..2024-03", "2024-01-01", "2024-03-31"),
            ("2023..2024-02", "2023-01-01", "2024-02-31"),
            ("2024-05-01..", "2024-05-01", "9999"), ("..2024", "", "2024-12-31"),
            ("20240101..20240131", "2024-01-01", "2024-01-31"),
            ("date=2024-05", "2024-05-01", "2024-05-31"), ("DATE=2024..", "2024-01-01", "9999"),
            ("StudyDate=20240501", "2024-05-01", "2024-05-01"),
            ("2024-02-29", "2024-02-29", "2024-02-29"),
        ])
    func dates(word: String, from: String, to: String) throws {
        #expect(try SearchQuery(words: [word]).terms == [.days(from: from, to: to)])
    }

    @Test(
        "A word that only looks like a date is a word",
        arguments: [
            "1234", "20241301", "20240231", "202405", "2024-5", "2024-", "1889", "2200",
            "20240501x", "2024-1301",
            "1889-02-31", "smith..", "a..b",
        ])
    func noDates(word: String) throws {
        #expect(try SearchQuery(words: [word]).terms == [.word(word)])
    }

    @Test(
        "key=value names an attribute by its keyword or a short name, in any case",
        arguments: [
            ("Modality=CT", Attribute.modality, "CT"), ("modality=ct", .modality, "ct"),
            ("name=Smith", .patientName, "Smith"), ("id=1001", .patientID, "1001"),
            ("owner=Smith", .responsiblePerson, "Smith"),
            ("microchip=276", .otherPatientIDs, "276"),
            ("chip=276", .otherPatientIDs, "276"),
            ("BodyPartExamined=HIP", .bodyPartExamined, "HIP"),
            ("uid=1.2.3", .sopInstanceUID, "1.2.3"), ("id=a=b", .patientID, "a=b"),
            ("id=", .patientID, ""),
        ])
    func attributes(word: String, attribute: Attribute, value: String) throws {
        #expect(try SearchQuery(words: [word]).terms == [.attribute(attribute, value)])
    }

    @Test("Several words in one argument mean the same as several arguments")
    func splits() throws {
        #expect(
            try SearchQuery(words: ["smith  rex", "\t2024\n"])
                == SearchQuery(words: ["smith", "rex", "2024"]))
    }

    @Test("Punctuation between words is ignored")
    func punctuation() throws {
        #expect(
            try SearchQuery(words: ["smith", "-", "rex", "&", ".."])
                == SearchQuery(words: ["smith", "rex"]))
    }

    @Test(
        "No words at all are refused with an example",
        arguments: [[], [""], [" ", "\t"], ["-"], ["..", "*"], ["\u{0}"]])
    func nothing(words: [String]) throws {
        let error = try #require(throws: IndexError.self) { try SearchQuery(words: words) }
        #expect(error.code == .badQuery)
        #expect(error.message == "The search has no words")
        #expect(error.remedy == "Say what to look for, for example: smith rex 2024 ct")
    }

    @Test(
        "An unknown keyword is named, with what to write",
        arguments: ["Colour=red", "=red", "pet=x"])
    func unknownKeyword(word: String) throws {
        let error = try #require(throws: IndexError.self) { try SearchQuery(words: [word]) }
        #expect(error.code == .badQuery)
        #expect(error.message.contains("\"\(word.prefix { $0 != "=" })\""))
        #expect(error.remedy.contains("keyword"))
    }

    @Test(
        "A value of date= that is not a date is named, with how to write one",
        arguments: [
            "date=yesterday", "date=", "date=2024-13", "date=20240231", "date=..",
            "StudyDate=01.05.2024",
        ])
    func badDate(word: String) throws {
        let error = try #require(throws: IndexError.self) { try SearchQuery(words: [word]) }
        #expect(error.code == .badQuery)
        #expect(error.message.contains("\"\(word.drop { $0 != "=" }.dropFirst())\""))
        #expect(error.remedy.contains("2024-05-01"))
    }

    @Test(
        "A word like a date that does not exist is refused, with the reason and what to write",
        arguments: [
            ("2024-13", "no month 13"), ("2024-00", "no month 00"),
            ("2024-05-32", "2024-05 has 31 days"),
            ("2024-02-31", "2024-02 has 29 days"), ("2023-02-29", "2023-02 has 28 days"),
            ("1900-02-29", "has 28 days"),
            ("2024-04-31", "has 30 days"), ("date=2024-02-31", "has 29 days"),
            ("2024-13..2024-15", "no month 13"),
            ("..2024-02-30", "has 29 days"), ("2024-01..soon", "\"soon\" is not a date"),
            ("2024-01..2024-3", "\"2024-3\" is not a date"),
            ("2024-05..2024-01", "ends before it begins"), ("date=2024..2023", "2023..2024"),
        ])
    func impossible(word: String, reason: String) throws {
        let error = try #require(throws: IndexError.self) { try SearchQuery(words: ["rex", word]) }
        #expect(error.code == .badQuery && error.description.contains(reason), "\(error)")
        // A number that looks like a date can be searched for.
        #expect(try SearchQuery(words: ["id=2024-13"]).terms == [.attribute(.patientID, "2024-13")])
    }
}
