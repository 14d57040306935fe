import Archive
import DICOM
import Foundation
import Storage
import SyntheticStudy
import System
import TagIndex
import TemporaryArchive
import Testing
import TestSupport

@Suite("Ingest")
struct IngestTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    @Test("Images become blobs on both volumes, named by their digest, with a ledger that verifies")
    func images() throws {
        let images = series(seed: 1) + series(seed: 2, images: 2)
        let ids = try temporary.archive(images)
        #expect(ids == [1, 2, 3, 4, 5])
        try temporary.expectBlobs(images)
        for number in 1...2 {
            #expect(
                try temporary.kinds(on: number) == [
                    "volume": 2, "views": 1, "series": 2, "ingest": 5,
                ])
        }
        let path = temporary.blob(.of(images[0]), on: 1)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o444)
    }

    @Test("The index has a row for each image, with its attributes and where it came from")
    func rows() throws {
        var image = SyntheticImage(seed: 5)
        image.patient.name = "Müller^Minka"
        image.number = 7
        let bytes = image.write()
        try temporary.open { archive in
            let id = try #require(
                try archive.ingest(bytes, from: "/cd/IM1", in: temporary.folder).archived)
            let details = try #require(try archive.index.read { try $0.details(id) })
            #expect(details.sha256 == Digest.of(bytes).bytes)
            #expect(details.bytes == Int64(bytes.count))
            #expect(details.source == "/cd/IM1")
            #expect(details.attributes[.patientName] == "Müller^Minka")
            #expect(details.attributes[.sopInstanceUID] == image.sopInstanceUID)
            #expect(details.copies.map(\.volume) == [1, 2])
            #expect(details.paths.count == archive.wantedViews.count)
            #expect(details.paths.allSatisfy { $0.last == "00007.dcm" || $0.first == "by-uid" })
            #expect(
                try archive.index.read { try $0.totals().byCopies.filter { $0.value != 0 } } == [
                    2: 1
                ])
        }
    }

    @Test("A line of the ledger for an image of a known series has fewer than 400 bytes")
    func ledgerLineLength() throws {
        try temporary.archive(series(images: 3))
        let lines = try contents(of: temporary.ledgerFile(on: 1)).split(
            separator: UInt8(ascii: "\n"))
        let ingests = lines.filter {
            String(decoding: $0, as: UTF8.self).contains("\"kind\":\"ingest\"")
        }
        #expect(ingests.count == 3)
        #expect(ingests.allSatisfy { $0.count < 400 }, "\(ingests.map(\.count))")
    }

    @Test(
        """
        The same bytes from many threads at once are archived once; the others are duplicates of \
        it
        """
    )
    func sameBytesAtOnce() throws {
        let bytes = series(images: 1)[0]
        try temporary.open { archive in
            let results = Lock<[Result<IngestOutcome, ArchiveError>]>([])
            _ = onAll(Array(0..<12)) { number in
                do {
                    let result = try archive.ingest(
                        bytes, from: "/data/\(number)", in: temporary.folder)
                    results.withLock { $0.append(result) }
                } catch {
                    Issue.record(error)
                }
            }
            let all = results.withLock { $0 }
            #expect(all.compactMap(\.archived) == [1])
            #expect(all.compactMap(\.duplicate) == Array(repeating: 1, count: 11))
        }
        try temporary.expectBlobs([bytes])
        #expect(try temporary.kinds()["ingest"] == 1)
        #expect(try temporary.kinds()["duplicate"] == 11)
    }

    @Test("Different images from many threads at once are all archived, with times that only rise")
    func manyAtOnce() throws {
        let images = (0..<6).flatMap { series(seed: $0, images: 10) }
        try temporary.open { archive in
            let results = archive.importFiles(
                try images.enumerated().map { number, bytes in
                    ImportFile(
                        path: try temporary.folder.write(bytes, to: "cd/\(number)"),
                        rejectedPath: "\(number)")
                })
            #expect(results.map(\.outcome) == Array(repeating: .archived, count: images.count))
            let totals = try archive.index.read { try $0.totals() }
            #expect((totals.instances, totals.studies) == (60, 6))
            #expect(totals.bytes == images.reduce(0) { $0 + Int64($1.count) })
        }
        try temporary.expectBlobs(images)
        let times = try temporary.ledger().filter { $0.entry.kind == "ingest" }.map(\.entry.time)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test(
        """
        An import gives the same names each time: the first of two with one number has the plain \
        one
        """
    )
    func namesInOrder() throws {
        let files: [[UInt8]] = (0..<20).map { number in
            var image = SyntheticImage(seed: 40)
            image.overrides = [SyntheticElement(0x0008_0081, "ST", "Version \(number)")]
            return image.write()
        }
        try temporary.open { archive in
            _ = archive.importFiles(
                try files.enumerated().map { number, bytes in
                    ImportFile(
                        path: try temporary.folder.write(bytes, to: "cd/\(number)"),
                        rejectedPath: "\(number)")
                })
            let ids = try files.map { bytes in
                try archive.index.read { try $0.instance(sha256: Digest.of(bytes).bytes) }
            }
            #expect(ids == (1...20).map { Int64($0) })
            #expect(try archive.index.read { try $0.image(1)?.name } == "00001.dcm")
        }
    }

    @Test("Bytes that are not what their digest says are not archived")
    func wrongDigest() throws {
        let image = series(images: 1)[0]
        let file = try OpenFile(temporary.folder.write(image, to: "a.dcm"))
        try temporary.open { archive in
            let result = archive.ingestAndWait(
                IngestRequest(
                    file: file.ingestFile, source: .file("/cd/a.dcm", rejectedPath: "a.dcm"),
                    bytes: Int64(image.count),
                    digest: .of([1])))
            let error = try #require(result.error)
            #expect(error.code == .storage)
            #expect(error.description.hasPrefix("/cd/a.dcm was not archived."))
            #expect(try archive.index.read { try $0.totals().instances } == 0)
        }
        try temporary.expectBlobs([])
    }

    @Test("A file under a blob's name that no record knows is not believed")
    func foreignBlob() throws {
        let images = series(images: 3)
        // As long as the image, of another length, and good.
        let found = [[UInt8](repeating: 7, count: images[0].count), [1, 2, 3], images[2]]
        for (image, bytes) in zip(images, found) {
            let path = temporary.blob(.of(image), on: 2)
            try temporary.folder.write(
                bytes, to: String(path.dropFirst(temporary.folder.path.count + 1)))
        }
        try temporary.archive(images)
        try temporary.expectBlobs(images)
        let aside = try files(below: temporary.volumes[1] + "/rejected/bad-blobs")
        #expect(aside.count == 2)
        #expect(
            try Set(
                aside.map { try contents(of: temporary.volumes[1] + "/rejected/bad-blobs/" + $0) })
                == Set(found.prefix(2)))
    }

    @Test("Observers hear of an image before the program that waits for it is answered")
    func observers() throws {
        let observer = Recorder(isHeld: true)
        try temporary.open { archive in
            archive.observe(views: observer)
            let answer = Monitor<Result<Int64?, any Error>?>(nil)
            let (image, folder) = (series(images: 1)[0], temporary.folder)
            _ = try WorkerThread("ingest") {
                let id = Result { try archive.ingest(image, in: folder).archived }
                answer.withLock(waking: .all) { $0 = id }
            }
            observer.waitForEvent()
            #expect(answer.withLock { $0 == nil })
            observer.letGo()
            let id = try #require(try answer.wait { $0 }.get())
            #expect(observer.events.first == "told")
            let leaves =
                try archive.index.read { try $0.details(id) }?.paths.map { Array($0.dropLast()) }
                ?? []
            let told = try archive.index.read { reader in
                try Set(observer.nodes.map { try reader.path(of: $0) })
            }
            #expect(told.isSuperset(of: leaves))
            archive.stopObserving()
            #expect(try archive.ingest(series(images: 2)[1], in: temporary.folder).archived == 2)
            #expect(observer.events == ["told"])
        }
    }

    @Test("After close nothing is taken, and the file is named")
    func afterClose() throws {
        let image = series(images: 1)[0]
        let archive = try Archive(at: temporary.path, log: temporary.log.logger)
        archive.close()
        let error = try #require(
            try archive.ingest(image, from: "/cd/late.dcm", in: temporary.folder).error)
        #expect(error.code == .shuttingDown)
        #expect(error.description.contains("/cd/late.dcm"))
    }

    @Test("Import tells what became of each file, also of one that is not there")
    func importResults() throws {
        let image = series(images: 1)[0]
        let folder = temporary.folder
        let paths = try [
            folder.write(image, to: "cd/a.dcm"), folder.write(image, to: "cd/b.dcm"),
            folder.write(Array("Hello".utf8), to: "cd/notes.txt"),
            folder.write([1], to: "cd/.DS_Store"),
            folder.path("cd/missing.dcm"),
        ]
        try temporary.open { archive in
            let results = archive.importFiles(
                paths.map {
                    ImportFile(path: $0, rejectedPath: "cd/" + ($0 as NSString).lastPathComponent)
                })
            #expect(results.map(\.path) == paths)
            #expect(Set(results.prefix(2).map(\.outcome)) == [.archived, .duplicate])
            #expect(results.dropFirst(2).map(\.outcome) == [.rejected, .ignored, .failed])
            #expect(results[0].bytes == Int64(image.count))
            #expect(results[4].reason == "It cannot be read: No such file or directory.")
        }
        #expect(paths.dropLast().allSatisfy { FileManager.default.fileExists(atPath: $0) })
    }
}

private final class Recorder: ViewObserver {
    private struct State {
        var nodes: Set<Int64> = []
        var events: [String] = []
        /// Whether ``published(nodes:replaced:)`` does not return yet.
        var isHeld: Bool
    }

    private let state: Monitor<State>

    init(isHeld: Bool = false) { state = Monitor(State(isHeld: isHeld)) }

    func waitForEvent() { state.wait { $0.events.isEmpty ? nil : () } }

    func letGo() { state.withLock(waking: .all) { $0.isHeld = false } }

    var nodes: Set<Int64> { state.withLock { $0.nodes } }
    var events: [String] { state.withLock { $0.events } }

    func published(nodes: Set<Int64>, replaced: [Int64]) {
        state.withLock(waking: .all) { state in
            state.nodes.formUnion(nodes)
            state.events.append("told")
        }
        state.wait { $0.isHeld ? nil : () }
    }

    func healed(image: Int64) { state.withLock { $0.events.append("healed \(image)") } }

    func viewsChanged(gone: [String], images: Range<Int64>) {
        state.withLock { $0.events.append("gone \(gone)") }
    }

    func lost(volume: Int) { state.withLock { $0.events.append("lost \(volume)") } }
}
