import Archive
import DICOM
import Storage
import SyntheticStudy
import TagIndex
import TemporaryArchive
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
        "A copy that is damaged or missing is passed over for one that is good", arguments: [1, 2])
    func damaged(volume: Int) throws {
        try temporary.archive([image])
        let path = String(
            temporary.blob(.of(image), on: volume).dropFirst(temporary.folder.path.count + 1))
        try temporary.folder.write([1, 2, 3], to: path)
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
