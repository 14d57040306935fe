import DICOM
import TagIndex
import Testing

@Suite("Totals and copies")
struct TotalsTests {
    private let fixture: IndexFixture

    init() throws { fixture = try IndexFixture() }

    private func totals() throws -> Totals { try fixture.index.read { try $0.totals() } }

    @Test("An empty index has nothing")
    func empty() throws {
        let totals = try totals()
        #expect(
            (totals.instances, totals.bytes, totals.studies, totals.patients, totals.rejected) == (
                0, 0, 0, 0, 0
            ))
        #expect(totals.byCopies.values.reduce(0, +) == 0)
    }

    @Test("Sums follow what is added, in one transaction or several")
    func sums() throws {
        try fixture.add(rex, seed: 1, bytes: 10)
        try fixture.index.write { writer in
            try fixture.add(
                rex.with([.instanceNumber: "2"]), seed: 2, bytes: 20, volumes: [1], in: writer)
            try fixture.add(
                rex.with([.patientID: "9", .studyInstanceUID: "9"]), seed: 3, bytes: 30,
                volumes: [2, 3], in: writer)
        }
        let totals = try totals()
        #expect((totals.instances, totals.bytes, totals.studies, totals.patients) == (3, 60, 2, 2))
        #expect(totals.byCopies.filter { $0.value != 0 } == [1: 1, 2: 2])
        #expect(
            try fixture.index.read { reader in try (1...3).map { try reader.blobs(on: $0) } } == [
                2, 2, 1,
            ])
    }

    @Test("A further copy is counted once, however often it is seen")
    func furtherCopy() throws {
        let place = try fixture.add(rex, seed: 1, volumes: [1])
        for time: Int64 in [5, 6, 7] {
            try fixture.index.write { try $0.noteCopy(of: place.instance, on: 2, verified: time) }
        }
        #expect(try totals().byCopies.filter { $0.value != 0 } == [2: 1])
        #expect(try fixture.index.read { try $0.copies(of: place.instance)?.volumes } == [1, 2])
        #expect(try fixture.index.read { try $0.verified(place.instance, on: 2) } == 7)
        #expect(try fixture.index.read { try $0.verified(place.instance, on: 3) } == nil)
        #expect(try fixture.index.read { try $0.blobs(on: 2) } == 1)
    }

    @Test("A rejected file is counted once for each source")
    func rejected() throws {
        let record = RejectRecord(
            sha256: digest(1), bytes: 5, path: "2026-11-22/a.txt", source: "incoming/a.txt",
            reason: "No image.", time: 7)
        var elsewhere = record
        elsewhere.source = "incoming/b.txt"
        try fixture.index.write { writer in
            try writer.apply(record)
            try writer.apply(record)
            try writer.apply(elsewhere)
        }
        #expect(try totals().rejected == 2)
        #expect(
            try fixture.index.read { try $0.rejected(sha256: digest(1), source: "incoming/a.txt") }
                == "2026-11-22/a.txt")
        #expect(
            try fixture.index.read { try $0.rejected(sha256: digest(1), source: "incoming/c.txt") }
                == nil)
    }

    @Test("The details of an image have its digest, size, time and copies")
    func details() throws {
        let place = try fixture.add(rex, seed: 1, bytes: 1234)
        let details = try #require(try fixture.index.read { try $0.details(place.instance) })
        #expect(details.sha256 == digest(1))
        #expect(details.bytes == 1234)
        #expect(details.source == "/data/1.dcm")
        #expect(details.copies.map(\.volume) == [1, 2])
        #expect(details.copies.map(\.verified) == [details.received, details.received])
        #expect(try fixture.index.read { try $0.instance(sha256: digest(1)) } == place.instance)
        #expect(try fixture.index.read { try $0.details(77) }?.id == nil)
    }
}
