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
            let status = try archive.status(pending: nil, readMode: "cached", mountpoint: "/mnt")
            #expect((status.instances, status.blobs, status.studies, status.patients) == (4, 4, 2, 2))
            #expect(status.bytes == images.reduce(0) { $0 + Int64($1.count) })
            #expect((status.copies.wanted, status.copies.short) == (2, 0))
            #expect(status.rejected == 1)
            #expect(status.room.daily > 0 && status.room.days == nil, "the first week is no rate")
            #expect(status.incoming.pending == 1)
            #expect((status.read_mode, status.mountpoint) == ("cached", "/mnt"))
            #expect(status.volumes.map(\.blobs) == [4, 4])
            #expect(status.volumes.map(\.state) == ["online", "online"])
            #expect(status.volumes.allSatisfy { $0.free > 0 && $0.id != nil })
            #expect(try archive.status(pending: 7, readMode: nil, mountpoint: nil).incoming.pending == 7)
        }
        let status = try temporary.open { try $0.status(pending: nil, readMode: nil, mountpoint: nil) }
        let ledger = try temporary.ledger()
        #expect(status.ledger.records == Int64(ledger.count))
        #expect(status.ledger.head == ledger.last?.end.head.hex)
    }

    @Test("Images with fewer copies than are wanted are counted as short")
    func short() throws {
        let single = try TemporaryArchive(volumes: 2, copies: 1)
        try single.archive(series())
        func short() throws -> Int64 {
            try single.open { try $0.status(pending: nil, readMode: nil, mountpoint: nil).copies.short }
        }
        #expect(try short() == 0)
        try single.configure { $0.replacing("copies = 1", with: "copies = 2") }
        #expect(try short() == 3)
    }

    @Test("A ledger that was changed in its middle on one volume is told as long as it is so")
    func changedLedger() throws {
        try temporary.archive(series())
        let folder = temporary.volumes[0] + "/ledger"
        let file = try #require(FileManager.default.subpaths(atPath: folder)?.first { $0.hasSuffix(".jsonl") })
        var bytes = try Data(contentsOf: URL(filePath: folder + "/" + file))
        let digit = try #require(bytes.firstIndex(of: UInt8(ascii: "2")))
        bytes[digit] = UInt8(ascii: "3")
        try bytes.write(to: URL(filePath: folder + "/" + file))
        try temporary.open { archive in
            for _ in 1...2 {
                let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
                #expect(status.health.level == .attention)
                #expect(status.health.headline.contains("The ledger on \(temporary.volumes[0])"), "\(status.health.headline)")
                archive.catalogue.admitDropped()
            }
            #expect(!temporary.log.messages().contains { $0.contains("is written on volume 1 again") })
        }
    }

    @Test("As JSON it has the keys that scripts rely on")
    func json() throws {
        let data = try temporary.open {
            try JSONEncoder().encode($0.status(pending: 0, readMode: "passthrough", mountpoint: nil))
        }
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        for key in ["instances", "studies", "patients", "blobs", "bytes", "copies", "volumes", "read_mode", "incoming", "rejected"] {
            #expect(object[key] != nil, "\(key)")
        }
        let volume = try #require((object["volumes"] as? [[String: Any]])?.first)
        for key in ["id", "path", "domain", "state", "blobs", "free"] { #expect(volume[key] != nil, "\(key)") }
    }
}
