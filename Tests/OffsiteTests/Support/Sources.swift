import Foundation
import Glibc
import Offsite
import Storage
import SyntheticStudy
import System
import TestSupport

/// What a test has to send: blobs, and packs of the small ones.
struct Outgoing {
    let folder: TemporaryFolder
    private(set) var objects: [OutgoingObject] = []
    /// Where each blob lies.
    private(set) var places: [BlobPlace] = []

    var root: String { folder.path("out") }

    init() throws {
        folder = try TemporaryFolder()
        mkdir(root, 0o700)
    }

    /// A few packs of small blobs, two large blobs, and a piece of a ledger.
    static func usual(seed: UInt64 = 1) throws -> Outgoing {
        var outgoing = try Outgoing()
        for series in 0..<3 as Range<UInt64> {
            try outgoing.addPack(
                (0..<8).map {
                    random(10_000 + 777 * $0, seed: seed &* 1000 + series * 100 + UInt64($0))
                })
        }
        try outgoing.addBlob(random(200_000, seed: seed &* 1000 + 900))
        try outgoing.addBlob(random(200_000, seed: seed &* 1000 + 901))
        try outgoing.add(Array("{\"n\":1}\n".utf8), as: "ledger/site/000001.jsonl")
        return outgoing
    }

    static func random(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        return (0..<(count + 7) / 8).flatMap { _ in
            withUnsafeBytes(of: random.next()) { Array($0) }
        }.prefix(count).map { $0 }
    }

    mutating func add(_ bytes: [UInt8], as name: String) throws {
        try Files.write(bytes, to: "\(root)/\(name)")
        objects.append(OutgoingObject(name: name, bytes: Int64(bytes.count)))
    }

    mutating func addBlob(_ bytes: [UInt8]) throws {
        let digest = Digest.of(bytes)
        try add(bytes, as: Pack.blobName(digest))
        places.append(
            BlobPlace(
                digest: digest, object: Pack.blobName(digest), offset: 0, bytes: Int64(bytes.count))
        )
    }

    mutating func addPack(_ blobs: [[UInt8]]) throws {
        let contents = Dictionary(blobs.map { (Digest.of($0), $0) }) { $1 }
        let members = contents.map {
            PackWriter.Member(digest: $0.key, bytes: Int64($0.value.count))
        }.sorted { $0.digest < $1.digest }
        let output = try Descriptor(
            opening: folder.path("pack"), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
        var writer = try PackWriter(to: output.number, path: "pack", members: members)
        while let member = writer.expected {
            let path = try folder.write(contents[member.digest] ?? [], to: "blob")
            let input = try Descriptor(opening: path, O_RDONLY)
            try writer.append(from: input.number, path: path)
        }
        let pack = try writer.finish()
        let path = "\(root)/\(pack.name)"
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        rename(folder.path("pack"), path)
        objects.append(pack.outgoing)
        places += pack.places
    }
}
