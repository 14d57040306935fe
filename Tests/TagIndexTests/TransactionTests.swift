import DICOM
import Foundation
import Naming
import System
import TagIndex
import TemporaryArchive
import Testing
import TestSupport

@Suite("Transactions of the index")
struct TransactionTests {
    private struct Stop: Error {}

    @Test("A write that throws leaves nothing, and the next one gets the same numbers")
    func rollback() throws {
        let fixture = try IndexFixture()
        try fixture.add(rex, seed: 1)
        let before = try fixture.file.dump()
        #expect(throws: Stop.self) {
            try fixture.index.write { writer in
                try fixture.add(
                    rex.with([.seriesInstanceUID: "9", .patientName: "Gone^Away"]), seed: 2,
                    in: writer)
                try writer.setPosition(IndexedPosition(segment: 3, offset: 4, number: 5, head: "6"))
                try writer.noteCopy(of: 1, on: 7, verified: 8)
                throw Stop()
            }
        }
        #expect(try fixture.file.dump() == before)
        #expect(try fixture.add(rex.with([.instanceNumber: "2"]), seed: 3).instance == 2)
        #expect(
            try fixture.index.read { try $0.studies(SearchQuery(words: ["gone"]), limit: 1) }
                .isEmpty)
    }

    @Test("Readers see a write when it is committed, not before")
    func isolation() throws {
        let fixture = try IndexFixture()
        try fixture.index.write { writer in
            let place = try fixture.add(rex, seed: 1, in: writer)
            #expect(try writer.reader.image(place.instance) != nil)
            #expect(try fixture.index.read { try $0.image(place.instance) } == nil)
        }
        #expect(try fixture.index.read { try $0.image(1)?.bytes } == 1000)
    }

    private static let images: [(AttributeSet, UInt64)] = (0..<60).map { number in
        let attributes = rex.with([
            .patientID: "\(number % 5)", .patientName: number % 2 == 0 ? "Smith^Rex" : "SMITH^rex",
            .seriesInstanceUID: "1.2.\(number % 7)",
            .sopInstanceUID: number % 11 == 0 ? nil : "1.2.3.\(number % 13)",
            .instanceNumber: "\(number % 4)",
            .bodyPartExamined: number % 3 == 0 ? nil : "PART \(number)",
        ])
        return (attributes, UInt64(number))
    }

    @Test("Two indexes made by the same operations are equal, whatever the transactions")
    func sameOperations() throws {
        let (one, other) = (try IndexFixture(), try IndexFixture())
        for (attributes, seed) in Self.images { try one.add(attributes, seed: seed) }
        try other.index.write { writer in
            for (attributes, seed) in Self.images {
                try other.add(attributes, seed: seed, in: writer)
            }
        }
        #expect(try one.file.dump() == other.file.dump())
    }

    @Test("An index made from the records alone equals the one that made them")
    func replay() throws {
        let original = try IndexFixture()
        for (attributes, seed) in Self.images { try original.add(attributes, seed: seed) }
        let copy = try IndexFixture()
        try copy.index.write { writer in
            for record in original.records {
                switch record {
                case .series(let series): try writer.apply(series, views: original.views)
                case .instance(let instance, let uid):
                    try writer.apply(instance, sopInstanceUID: uid)
                }
            }
        }
        #expect(try copy.file.dump() == original.file.dump())
    }

    @Test("The position in the ledger and the views are kept")
    func position() throws {
        let fixture = try IndexFixture()
        #expect(try fixture.index.read { try $0.position() } == nil)
        let position = IndexedPosition(segment: 2, offset: 1 << 40, number: 77, head: "ab")
        try fixture.index.write { try $0.setPosition(position) }
        fixture.index.close()
        let again = try TagIndex(path: fixture.folder.path("index.sqlite"))
        defer { again.close() }
        #expect(try again.read { try $0.position() } == position)
        #expect(try again.read { try $0.views() } == DefaultViews.all)
    }

    @Test("Readers on several threads and a writer do not disturb each other")
    func threads() throws {
        let fixture = try IndexFixture()
        let image = try fixture.add(rex, seed: 1).instance
        let index = fixture.index
        let failures = Failures()
        _ = onAll(Array(0..<4)) { thread in
            for round in 0..<100 {
                do {
                    if thread == 0 {
                        try index.write { try $0.noteCopy(of: 1, on: round, verified: 1) }
                    } else if try index.read({ try $0.image(image)?.name }) != "00001.dcm" {
                        failures.add("round \(round) lost the image")
                    }
                } catch {
                    failures.add("\(error)")
                }
            }
        }
        #expect(failures.all == [])
        #expect(try index.read { try $0.copies(of: 1)?.volumes } == Array(0..<100))
    }

    @Test("A file that is not an index, or of another version, differs from other failures")
    func corrupt() throws {
        let folder = try TemporaryFolder()
        let garbage = try folder.write(
            Array("This is no database, but long enough to look at.".utf8), to: "garbage")
        let error = try #require(throws: IndexError.self) { try TagIndex(path: garbage) }
        #expect(error.code == .corrupt)
        #expect(error.path == garbage && error.remedy.contains("mount it again"))

        let old = folder.path("old.sqlite")
        try TagIndex(path: old).close()
        try IndexFile(old).execute("UPDATE meta SET value = '0' WHERE key = 'schema'")
        let version = try #require(throws: IndexError.self) { try TagIndex(path: old) }
        #expect(version.code == .corrupt)
        #expect(version.message.contains("schema 0"))

        let absent = try #require(throws: IndexError.self) {
            try TagIndex(readingFrom: folder.path("absent"))
        }
        #expect(absent.path == folder.path("absent"))
        #expect(absent.remedy.contains("rebuilds the index"))
    }
}

/// Failures on other threads.
final class Failures: Sendable {
    private let texts = Lock<[String]>([])

    func add(_ text: String) { texts.withLock { $0.append(text) } }

    var all: [String] { texts.withLock { $0 } }
}
