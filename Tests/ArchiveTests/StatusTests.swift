import TestSupport
@testable import Archive
import Foundation
import TemporaryArchive
import Testing

@Suite("Status")
struct StatusTests {
    private let temporary: TemporaryArchive

    init() throws { temporary = try TemporaryArchive() }

    @Test("It counts what there is")
    func counts() throws {
        let images = series(seed: 1) + series(seed: 2, images: 1)
        try temporary.archive(images)
        let letter = try temporary.folder.write(Array("letter".utf8), to: "cd/letter.txt")
        try temporary.folder.write([1], to: "volume1/staging/incoming/cd/IM1.part")
        try temporary.open { archive in
            _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "letter.txt")])
            let status = try archive.status(pending: nil, readMode: .cached, mountpoint: "/mnt")
            #expect(
                (status.instances, status.blobs, status.studies, status.patients) == (4, 4, 2, 2))
            #expect(status.bytes == images.reduce(0) { $0 + Int64($1.count) })
            #expect((status.copies.wanted, status.copies.underReplicated) == (2, 0))
            #expect(status.rejected == 1)
            #expect(
                status.freeSpace.bytesPerDay > 0 && status.freeSpace.daysLeft == nil,
                "the first week is no rate")
            #expect(status.incoming.pending == 1)
            #expect((status.readMode, status.mountpoint) == (.cached, "/mnt"))
            #expect(status.volumes.map(\.blobs) == [4, 4])
            #expect(status.volumes.map(\.state) == [.online, .online])
            #expect(status.volumes.allSatisfy { $0.free > 0 && $0.id != nil })
            #expect(
                try archive.status(pending: 7, readMode: nil, mountpoint: nil).incoming.pending == 7
            )
        }
        let status = try temporary.open {
            try $0.status(pending: nil, readMode: nil, mountpoint: nil)
        }
        let ledger = try temporary.ledger()
        #expect(status.ledger.records == Int64(ledger.count))
        #expect(status.ledger.head == ledger.last?.end.head.hex)
    }

    @Test("Images with fewer copies than are wanted are counted as short")
    func short() throws {
        let single = try TemporaryArchive(volumes: 2, copies: 1)
        try single.archive(series())
        func short() throws -> Int64 {
            try single.open {
                try $0.status(pending: nil, readMode: nil, mountpoint: nil).copies.underReplicated
            }
        }
        #expect(try short() == 0)
        try single.configure { $0.replacing("copies = 1", with: "copies = 2") }
        #expect(try short() == 3)
    }

    @Test("A volume whose ledger is damaged is no full copy of the archive, and status says so")
    func damagedLedger() throws {
        try temporary.archive(series())
        let folder = temporary.volumes[1] + "/ledger"
        let name = try #require(try files(below: folder).first)
        let bytes = try contents(of: folder + "/" + name)
        var lines = bytes.split(separator: 10).map(Array.init)
        lines[lines.count - 2][10] ^= 1
        try temporary.folder.write(
            Array(lines.joined(separator: [10])) + [10], to: "volume2/ledger/" + name)
        try temporary.open { archive in
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.volumes.map(\.state) == [.online, .online])
            #expect(status.ledger.ordinals == [1])
            #expect(status.health.level == .attention)
            #expect(status.health.headline.contains(temporary.volumes[1]))
            #expect(status.health.headline.contains("new images are refused"))
        }
    }

    @Test("As JSON it has the keys that scripts rely on")
    func json() throws {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        let data = try temporary.open {
            try encoder.encode(
                $0.status(pending: 0, readMode: .passthrough, mountpoint: nil))
        }
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        for key in [
            "instances", "studies", "patients", "blobs", "bytes", "copies", "volumes", "read_mode",
            "incoming", "rejected",
        ] {
            #expect(object[key] != nil, "\(key)")
        }
        let volume = try #require((object["volumes"] as? [[String: Any]])?.first)
        for key in ["ordinal", "id", "path", "domain", "state", "blobs", "free"] {
            #expect(volume[key] != nil, "\(key)")
        }
        // Unknown values are null: their keys are there.
        for key in ["mountpoint", "index_rebuilt", "configuration_problem"] {
            #expect(object[key] is NSNull, "\(key)")
        }
        #expect(volume["problem"] is NSNull && volume["scrubbed"] is NSNull)
        for key in keys(of: object) {
            #expect(key.wholeMatch(of: /[a-z]+(_[a-z]+)*/) != nil, "\(key) is not in snake case")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let status = try decoder.decode(ArchiveStatus.self, from: data)
        #expect(status.mountpoint == nil && status.readMode == .passthrough)
    }

    /// The keys of an object and of all objects in it.
    private func keys(of value: Any) -> Set<String> {
        if let list = value as? [Any] {
            return list.reduce(into: []) { $0.formUnion(keys(of: $1)) }
        }
        guard let object = value as? [String: Any] else { return [] }
        return object.reduce(into: Set(object.keys)) { $0.formUnion(keys(of: $1.value)) }
    }
}
