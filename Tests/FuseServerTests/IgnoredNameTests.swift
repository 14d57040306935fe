import Archive
import Foundation
import Storage
import TemporaryArchive
import TestSupport
import Testing

@testable import FuseServer

/// What is an image is archived, whatever it is called.
@Suite("Names to ignore")
struct IgnoredNameTests {
    private static let names = ["._IM1.dcm", "Thumbs.db", ".ds_store", "desktop.ini"]

    private func fixture() throws -> TreeFixture {
        try TreeFixture(settle: 0.2)
    }

    @Test("An image is archived when it is closed, and other files go quietly", arguments: names)
    func closed(name: String) throws {
        let fixture = try fixture()
        #expect(try fixture.save(image(1), as: name) == 0)
        #expect(try fixture.isBlob(image(1)))
        #expect(try fixture.save([0, 5, 22, 7] + Array("Mac OS X".utf8), as: ".DS_Store") == 0)
        // It becomes an image under the name that it has.
        let handle = try fixture.create("._later")
        try fixture.write(Array("short".utf8), to: handle)
        #expect(fixture.flush(handle) == 0)
        #expect(try fixture.state(of: handle.number) == "ignored")
        try fixture.write(image(2), to: handle)
        #expect(fixture.flush(handle) == 0)
        fixture.tree.release(handle)
        #expect(try fixture.isBlob(image(2)))
        #expect(try fixture.save(image(3), as: "c.part") == 0)
        #expect(fixture.rename("c.part", to: "._c") == 0)
        #expect(try fixture.isBlob(image(3)))
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        #expect(try eventually { try fixture.left.isEmpty })
        settling.stop()
        #expect(try fixture.rejected().isEmpty)
    }

    @Test("So it is when an earlier run left it, in zip archives and when it is imported")
    func elsewhere() throws {
        let fixture = try fixture()
        let folder = fixture.temporary.folder
        let digest = Digest.of(image(1))
        try folder.write(image(1), to: "volume1/staging/incoming/._IM1.dcm")
        #expect(
            link(
                fixture.path("._IM1.dcm"),
                fixture.temporary.volumes[0] + "/staging/commit/\(digest.hex).dcm") == 0)
        try folder.write([1, 2], to: "volume1/staging/incoming/Thumbs.db")
        try folder.write(
            Array(image(2).dropLast(50)), to: "volume1/staging/incoming/cd/desktop.ini")
        fixture.tree.addLeftovers()
        let settling = Settling { [tree = fixture.tree] in tree }
        settling.start()
        #expect(try eventually { try fixture.left.isEmpty })
        settling.stop()
        #expect(try fixture.isBlob(image(1)))
        let rejected = try fixture.rejected()
        #expect(
            rejected == ["cd/desktop.ini": IncomingDecision.interrupted + "\n"], "\(rejected)")

        let sources = [
            ("._IM3.dcm", image(3)), ("Thumbs.db", Array("thumbs".utf8)),
            ("x.zip", ZipWriter.zip([("a/._IM4.dcm", image(4)), ("a/.DS_Store", [1, 2, 3])])),
        ]
        let paths = try sources.map { try folder.write($0.1, to: "cd/" + $0.0) }
        let results = fixture.archive.importFiles(
            paths.map { ImportFile(path: $0, rejectedPath: $0) })
        #expect(results.map(\.outcome).filter { $0 == .archived }.count == 2)
        #expect(results.map(\.outcome).filter { $0 == .ignored }.count == 2)
        #expect(try fixture.isBlob(image(3)) && fixture.isBlob(image(4)))
    }
}
