import Foundation
import Offsite
import OffsiteSupport
import Storage
import System
import TagIndex
import TemporaryArchive
import TestSupport
import Testing

@testable import Archive

@Suite("Images that are only off-site") struct OffsiteReaderTests {
    private let pushed: PushedArchive
    private var temporary: TemporaryArchive { pushed.temporary }

    init() throws {
        pushed = try PushedArchive(keys: nil)
        try pushed.secrets.write(in: pushed.temporary.path)
    }

    /// Asks for an image as OPEN does, and waits.
    private func fetch(
        _ archive: Archive, _ instance: Int64, isWanted: @escaping @Sendable () -> Bool = { true }
    ) -> Archive.FetchResult {
        let result = Monitor<Archive.FetchResult?>(nil)
        archive.fetch(instance, isWanted: isWanted) { outcome in
            result.withLock(waking: .all) { $0 = outcome }
        }
        return result.wait { $0 }
    }

    /// Damages all copies of the first three images, which lie in a pack: each in another way.
    private func damage() throws {
        for number in 1...2 {
            for (index, image) in pushed.images[..<3].enumerated() {
                let path = temporary.blob(Digest.of(image), on: number)
                chmod(path, 0o644)
                switch index {
                case 0: unlink(path)
                case 1:
                    var bytes = image
                    bytes[bytes.count / 2] ^= 1
                    try Files.write(bytes, to: path)
                default: #expect(truncate(path, 100) == 0)
                }
            }
        }
    }

    @Test("One whose copies are all gone or damaged is fetched, and is on the volumes again")
    func fetched() throws {
        try damage()
        try temporary.open { archive in
            for instance in 1...3 as ClosedRange<Int64> {
                let error = #expect(throws: ArchiveError.self) {
                    try archive.openBlob(of: instance)
                }
                #expect(error?.code == .onlyOffsite)
                guard case .fetched = fetch(archive, instance) else {
                    Issue.record("\(instance) was not fetched")
                    continue
                }
                let opened = try archive.openBlob(of: instance)
                let file = SharedDescriptor(owning: opened.descriptor)
                let image = pushed.images[Int(instance) - 1]
                #expect(try FileIO.bytes(file.number, at: 0, count: image.count + 1) == image)
                let copies = try archive.index.read { try $0.copies(of: instance) }
                #expect(copies?.volumes == [1, 2])
            }
        }
        for number in 1...2 {
            for image in pushed.images[..<3] {
                #expect(try contents(of: temporary.blob(Digest.of(image), on: number)) == image)
            }
        }
        let verification = try Verification(
            archive: temporary.path, volumes: [], head: nil, options: .init(threads: 2),
            progress: { _ in })
        #expect(try verification.run()?.faults == 0)
    }

    @Test("What has lost all copies comes back by itself")
    func byItself() throws {
        try damage()
        try temporary.open { archive in
            for instance in 1...3 as ClosedRange<Int64> { _ = try? archive.openBlob(of: instance) }
            #expect(try archive.index.read { try $0.lackingImages() }.images == 3)
            try archive.maintenance.restores.fetchLost()
            #expect(try archive.index.read { try $0.lackingImages() }.images == 0)
            for instance in 1...3 as ClosedRange<Int64> {
                close(try archive.openBlob(of: instance).descriptor)
            }
        }
    }

    @Test("What the remote has changed is not believed, and the log says so")
    func changedThere() throws {
        try damage()
        let pack = pushed.folder + "/" + pushed.packs[0]
        chmod(pack, 0o644)
        try Files.write([UInt8](repeating: 7, count: Int(try contents(of: pack).count)), to: pack)
        try temporary.open { archive in
            _ = try? archive.openBlob(of: 2)
            guard case .failed(let error) = fetch(archive, 2) else {
                Issue.record("it was believed")
                return
            }
            #expect(error.code == .noGoodCopy)
            let log = temporary.log.messages(.error)
            #expect(log.contains { $0.contains("remote \"nas\"") && $0.contains("other bytes") })
            #expect(throws: ArchiveError.self) { try archive.openBlob(of: 2) }
        }
    }

    /// Has the remote lie on a server that accepts connections and never answers.
    private func silenceRemote() throws -> SharedDescriptor {
        let (socket, port) = try Server.silent()
        var secrets = pushed.secrets
        secrets.location = RemoteLocation(
            options: ["type": "webdav", "url": "http://127.0.0.1:\(port)", "vendor": "other"],
            path: "images")
        try secrets.write(in: temporary.path)
        return socket
    }

    @Test("A remote that never answers is given up, or left when nobody waits", arguments: [0, 1])
    func hung(kind: Int) throws {
        try damage()
        let server = try silenceRemote()
        defer { withExtendedLifetime(server) {} }
        if kind == 0 {
            try temporary.configure { $0.replacing("patience = 30", with: "patience = 3") }
        }
        try temporary.open { archive in
            _ = try? archive.openBlob(of: 1)
            let wanted = Lock(true)
            let asked = Monitor(0)
            if kind == 1 {
                _ = try WorkerThread("program") {
                    asked.wait { $0 >= 2 ? () : nil }
                    wanted.withLock { $0 = false }
                }
            }
            let start = ContinuousClock.now
            let result = fetch(archive, 1) {
                asked.withLock(waking: .all) { $0 += 1 }
                return wanted.withLock { $0 }
            }
            switch (kind, result) {
            case (0, .failed(let error)): #expect("\(error)".contains("nothing has moved"))
            case (1, .unwanted): break
            default: Issue.record("\(result)")
            }
            #expect(ContinuousClock.now - start < .seconds(20))
            // Other images are read meanwhile, and afterwards.
            close(try archive.openBlob(of: 4).descriptor)
        }
    }

    @Test("An archive that is closed does not wait for a remote that never answers")
    func closing() throws {
        try damage()
        let server = try silenceRemote()
        defer { withExtendedLifetime(server) {} }
        let result = Monitor<Archive.FetchResult?>(nil)
        let start = ContinuousClock.now
        try temporary.open { archive in
            _ = try? archive.openBlob(of: 1)
            archive.fetch(1, isWanted: { true }) { outcome in
                result.withLock(waking: .all) { $0 = outcome }
            }
        }
        #expect(ContinuousClock.now - start < .seconds(20))
        guard case .unwanted? = result.withLock({ $0 }) else {
            Issue.record("\(String(describing: result.withLock { $0 }))")
            return
        }
    }
}
