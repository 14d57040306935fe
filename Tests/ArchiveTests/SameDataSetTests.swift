import Archive
import DICOM
import Glibc
import Storage
import SyntheticStudy
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

/// Files that differ only in the words of the writing program about itself.
@Suite("The same data set in another file")
struct SameDataSetTests {
    private let temporary: TemporaryArchive
    private let image = series(images: 1)[0]

    init() throws { temporary = try TemporaryArchive() }

    /// With something else in the preamble.
    private func rewritten(_ bytes: [UInt8], _ mark: UInt8 = 1) -> [UInt8] {
        [mark] + bytes.dropFirst()
    }

    /// With a longer group 0002: PrivateInformationCreatorUID and PrivateInformation
    /// (PS3.10 section 7.1), and their length added to the group length.
    private func lengthened(_ bytes: [UInt8]) -> [UInt8] {
        let length = bytes[140..<144].enumerated().reduce(0) {
            $0 | Int($1.element) << (8 * $1.offset)
        }
        let more: [UInt8] =
            [2, 0, 0, 1] + Array("UI".utf8) + [4, 0] + Array("1.2\0".utf8)
            + [2, 0, 2, 1] + Array("OB".utf8) + [0, 0, 4, 0, 0, 0, 1, 2, 3, 4]
        let total = length + more.count
        var result = bytes
        for index in 0..<4 { result[140 + index] = UInt8(truncatingIfNeeded: total >> (8 * index)) }
        result.insert(contentsOf: more, at: 144 + length)
        return result
    }

    private func flags(_ id: Int64) throws -> HeaderFlags {
        try temporary.open { (archive) throws in
            let flags = try #require(try archive.index.read { try $0.details(id) }).flags
            return HeaderFlags(rawValue: UInt16(flags))
        }
    }

    @Test("It is kept, recorded with the image that it repeats, and survives a replay")
    func recorded() throws {
        try temporary.archive([image])
        let versions = [rewritten(image), lengthened(image)]
        try temporary.open { (archive) throws in
            for version in versions {
                #expect(try archive.ingest(version, in: temporary.folder).sameDataSet != nil)
            }
            // Again: the same bytes are a duplicate of the version.
            #expect(try archive.ingest(versions[0], in: temporary.folder).duplicate == 2)
        }
        try temporary.expectBlobs([image] + versions)
        let ingests = try temporary.ledger().map(\.entry).filter { $0.kind == "ingest" }
        #expect(
            ingests.map { $0.body["same"]?.string } == [
                nil, Digest.of(image).hex, Digest.of(image).hex,
            ])
        #expect(Set(ingests.map { $0.body["name"]?.string }).count == 3)
        #expect(try flags(1).contains(.sameDataSet) == false)
        for id in [Int64(2), 3] { #expect(try flags(id).contains(.sameDataSet)) }
        let before = try temporary.index.dump()
        temporary.removeIndex()
        try temporary.open { _ in }
        #expect(try temporary.index.dump() == before)
        #expect(
            temporary.log.messages(.info).contains { $0.contains("only the file header differs") })
    }

    /// The names in the folder of the only series.
    private func names(byUID: Bool = false) throws -> [String] {
        try temporary.open { archive in
            try archive.index.read { reader in
                var (names, listed): ([String], [String]) = ([], [])
                try reader.images(inSeries: 1, byUID: byUID, after: 0) {
                    names.append($0.name)
                    return true
                }
                try reader.listImages(inSeries: 1, byUID: byUID, after: 0) { _, name in
                    listed.append(String(decoding: name, as: UTF8.self))
                    return true
                }
                #expect(listed == names)
                for name in names {
                    let found = try reader.image(inSeries: 1, name: name, byUID: byUID)
                    #expect(found?.name == name)
                }
                return names
            }
        }
    }

    @Test("Views show the first version, those by UID all; after a replay and a rebuild as well")
    func shownOnce() throws {
        try temporary.archive([image])
        let plain = try names()
        var other = image
        other[other.count - 1] ^= 1
        try temporary.open { (archive) throws in
            for version in [rewritten(image), lengthened(image), rewritten(image, 7)] {
                #expect(try archive.ingest(version, in: temporary.folder).sameDataSet != nil)
            }
            // Another image of the same number and UID is one more.
            #expect(try archive.ingest(other, in: temporary.folder).archived == 5)
            #expect(try archive.ingest(rewritten(other), in: temporary.folder).sameDataSet == 6)
        }
        func expectNames(_ source: Comment) throws {
            let shown = try names()
            #expect(shown.count == 2 && shown.first == plain.first, source)
            #expect(try names(byUID: true).count == 6, source)
            try temporary.open { (archive) throws in
                try archive.index.read { reader in
                    let totals = try reader.totals()
                    #expect(totals.instances == 6 && totals.versions == 4, source)
                    #expect(try reader.instances(ofSeries: 1) == [1, 5], source)
                    #expect(try reader.instances(ofStudy: 1) == [1, 5], source)
                    #expect(
                        try reader.studies(try SearchQuery(words: ["modality=ct"]), limit: 9).map(
                            \.images) == [2],
                        source)
                    for id in [Int64(2), 3, 4, 6] {
                        #expect(try reader.details(id)?.paths.map(\.first) == ["by-uid"], source)
                        #expect(try reader.image(id)?.isShown == false, source)
                    }
                }
                let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
                #expect(status.instances == 2 && status.blobs == 6, source)
            }
        }
        try expectNames("as archived")
        temporary.removeIndex()
        try expectNames("replayed")
    }

    @Test("Versions that come at the same moment are shown once", arguments: [1, 2, 3])
    func together(round: Int) throws {
        let images = series(seed: UInt64(round), images: 40)
        let files = try images.enumerated().flatMap { number, image in
            try [image, rewritten(image), lengthened(image)].enumerated().map { version, bytes in
                let path = try temporary.folder.write(bytes, to: "cd/\(number)-\(version)")
                return ImportFile(path: path, rejectedPath: path)
            }
        }
        try temporary.open { archive in
            let results = archive.importFiles(files)
            #expect(results.allSatisfy { $0.outcome == .archived })
            // In the order in which they were given.
            #expect(results.map(\.sameDataSet) == files.indices.map { $0 % 3 > 0 })
        }
        #expect(try names().count == 40)
        #expect(try names(byUID: true).count == 120)
        #expect(try names().allSatisfy { !$0.contains("~") })
    }

    @Test("An index that is made from the blobs alone shows them once")
    func fromBlobs() throws {
        try temporary.archive([image])
        try temporary.open { (archive) throws in
            for version in [rewritten(image), lengthened(image)] {
                #expect(try archive.ingest(version, in: temporary.folder).sameDataSet != nil)
            }
        }
        for volume in temporary.volumes {
            for segment in try files(below: volume + "/ledger") {
                unlink(volume + "/ledger/" + segment)
            }
        }
        _ = try Archive.rebuild(
            at: temporary.path, fromBlobs: true, log: temporary.log.logger
        ) { _ in }
        #expect(try names().count == 1)
        #expect(try names(byUID: true).count == 3)
    }

    @Test("Another pixel, another transfer syntax or a missing end make another image")
    func others() throws {
        try temporary.archive([image])
        var pixel = image
        pixel[pixel.count - 1] ^= 1
        var syntax = rewritten(image)
        // 1.2.840.10008.1.2.1 becomes another UID of the same length.
        let uid = Array("1.2.840.10008.1.2.1".utf8)
        let place = try #require((0..<syntax.count).first { syntax[$0...].starts(with: uid) })
        syntax[place + uid.count - 1] = UInt8(ascii: "9")
        try temporary.archive([pixel, rewritten(Array(image.dropLast(2))), syntax])
        for id in 1...4 { #expect(try flags(Int64(id)).contains(.sameDataSet) == false) }
    }

    @Test("A version is compared with all that came before, and names the first it repeats")
    func several() throws {
        var other = image
        other[other.count - 1] ^= 1
        try temporary.archive([image, other])
        try temporary.open { (archive) throws in
            #expect(try archive.ingest(rewritten(other), in: temporary.folder).sameDataSet == 3)
            #expect(try archive.ingest(rewritten(image), in: temporary.folder).sameDataSet == 4)
            #expect(try archive.ingest(rewritten(other, 2), in: temporary.folder).sameDataSet == 5)
        }
        let same = try temporary.ledger().compactMap { $0.entry.body["same"]?.string }
        #expect(same == [other, image, other].map { Digest.of($0).hex })
    }

    @Test(
        "A copy that is damaged, altered or missing is passed over for one that is good",
        arguments: [1, 2], [true, false])
    func damaged(volume: Int, isAltered: Bool) throws {
        try temporary.archive([image])
        let path = String(
            temporary.blob(.of(image), on: volume).dropFirst(temporary.folder.path.count + 1))
        var wrong = image
        wrong[wrong.count - 1] ^= 1
        try temporary.folder.write(isAltered ? wrong : [1, 2, 3], to: path)
        try temporary.open { (archive) throws in
            #expect(try archive.ingest(rewritten(image), in: temporary.folder).sameDataSet == 2)
        }
    }
}

extension Result<IngestOutcome, ArchiveError> {
    fileprivate var sameDataSet: Int64? {
        if case .success(.sameDataSet(let id, _)) = self { id } else { nil }
    }
}
