import TestSupport
import Archive
import Foundation
import Glibc
import Storage
import TemporaryArchive
import Testing

@Suite("Volumes that are not there")
struct AbsentVolumeTests {
    private let temporary: TemporaryArchive
    private let images = series(images: 3)

    init() throws {
        temporary = try TemporaryArchive()
        try temporary.archive([images[0]])
    }

    private func unplug(_ volume: Int) throws {
        let path = temporary.volumes[volume - 1]
        try FileManager.default.moveItem(atPath: path, toPath: path + ".unplugged")
    }

    private func plugIn(_ volume: Int) throws {
        let path = temporary.volumes[volume - 1]
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: path + ".unplugged", toPath: path)
    }

    /// Every file below a folder, with its bytes.
    private func snapshot(_ path: String) throws -> [String: [UInt8]] {
        try files(below: path).reduce(into: [:]) { $0[$1] = try contents(of: path + "/" + $1) }
    }

    @Test(
        "The archive opens without one of its volumes, and status says which is absent",
        arguments: 1...2)
    func status(volume: Int) throws {
        try unplug(volume)
        try temporary.open { archive in
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            let absent = status.volumes[volume - 1]
            #expect((absent.path, absent.state) == (temporary.volumes[volume - 1], .absent))
            #expect(absent.problem?.contains(temporary.volumes[volume - 1]) == true)
            #expect(absent.free == 0)
            #expect(status.volumes[2 - volume].state == .online)
            #expect(status.volumes[2 - volume].problem == nil)
            #expect(status.volumes.map(\.blobs) == [1, 1])
            #expect(
                temporary.log.messages(.error).contains {
                    $0.hasPrefix("The volume \(temporary.volumes[volume - 1]) is absent")
                })
        }
    }

    @Test("Images are read from the other volume meanwhile", arguments: 1...2)
    func reading(volume: Int) throws {
        try unplug(volume)
        try temporary.open { archive in
            let descriptor = try archive.openBlob(of: 1).descriptor
            defer { close(descriptor) }
            var bytes = [UInt8](repeating: 0, count: images[0].count)
            #expect(pread(descriptor, &bytes, bytes.count, 0) == bytes.count)
            #expect(bytes == images[0])
        }
    }

    @Test(
        "No file is accepted meanwhile: the error names the file and what to do", arguments: 1...2)
    func ingest(volume: Int) throws {
        try unplug(volume)
        let other = temporary.volumes[2 - volume]
        let before = try files(below: other)
        try temporary.open { archive in
            let error = try #require(
                try archive.ingest(images[1], from: "/cd/IM2", in: temporary.folder).error)
            #expect(error.code == .storage)
            #expect(error.description.hasPrefix("/cd/IM2 was not archived."))
            #expect(error.description.contains("Plug in and mount volume \(volume)"))
            #expect(throws: ArchiveError.self) { try archive.checkRoom(for: 0) }
            #expect(try archive.capacity().free == 0)
            #expect(try archive.index.read { try $0.totals().instances } == 1)
        }
        #expect(try files(below: other) == before)
        // And when it is back, it works again.
        try plugIn(volume)
        try temporary.archive([images[1]])
        try temporary.expectBlobs(Array(images.prefix(2)))
    }

    @Test("A duplicate is not acknowledged meanwhile either", arguments: 1...2)
    func duplicate(volume: Int) throws {
        try unplug(volume)
        try temporary.open { archive in
            let error = try #require(
                try archive.ingest(images[0], from: "/cd/IM1", in: temporary.folder).error)
            #expect(error.code == .storage)
            #expect(error.description.contains("/cd/IM1"))
        }
        try plugIn(volume)
        let again = try temporary.open { try $0.ingest(images[0], in: temporary.folder) }
        #expect(again.duplicate == 1)
        try temporary.expectBlobs([images[0]])
    }

    @Test(
        """
        With a third volume a duplicate gets the copy that is missing, and new images go where \
        there is room
        """
    )
    func third() throws {
        let three = try TemporaryArchive(volumes: 3)
        // The first image is on two of them; one of those goes.
        try three.archive([images[0]])
        let digest = Digest.of(images[0])
        let holders = (1...3).filter { access(three.blob(digest, on: $0), F_OK) == 0 }
        #expect(holders.count == 2)
        let (gone, spare) = (holders[1], 6 - holders[0] - holders[1])
        try FileManager.default.moveItem(
            atPath: three.volumes[gone - 1], toPath: three.folder.path("unplugged"))
        try three.open { (archive) throws in
            #expect(try archive.ingest(images[0], in: three.folder).duplicate == 1)
            #expect(try archive.index.read { try $0.copies(of: 1)?.volumes } == [1, 2, 3])
            #expect(try archive.ingest(images[1], in: three.folder).archived == 2)
        }
        for image in images.prefix(2) {
            for volume in [holders[0], spare] {
                #expect(try contents(of: three.blob(.of(image), on: volume)) == image)
            }
        }
        // The volume is back: it gets the missing part of the ledger, and a rebuilt index knows all
        // this.
        try FileManager.default.moveItem(
            atPath: three.folder.path("unplugged"), toPath: three.volumes[gone - 1])
        try three.open { _ in }
        let before = try three.index.dump()
        #expect(try three.kinds(on: gone) == three.kinds(on: spare))
        three.removeIndex()
        try three.open { _ in }
        #expect(try three.index.dump() == before)
    }

    @Test("Nothing is rejected onto one volume alone")
    func reject() throws {
        try unplug(2)
        let path = try temporary.folder.write(Array("letter".utf8), to: "cd/letter.txt")
        try temporary.open { archive in
            let results = archive.importFiles([ImportFile(path: path, rejectedPath: "letter.txt")])
            #expect(results.map(\.outcome) == [.failed])
            #expect(results[0].reason?.contains("Plug in") == true)
        }
        #expect(try files(below: temporary.volumes[0] + "/rejected") == [])
    }

    @Test("An empty directory in a volume's place is never written to", arguments: 1...2)
    func emptyDirectory(volume: Int) throws {
        try unplug(volume)
        let place = temporary.volumes[volume - 1]
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        try temporary.open { archive in
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil).volumes[
                volume - 1]
            #expect(status.state == .absent)
            #expect(status.problem?.contains("empty") == true)
            #expect(status.problem?.contains("mounted?") == true)
            #expect(try archive.ingest(images[1], in: temporary.folder).error != nil)
            #expect(try archive.ingest(images[0], in: temporary.folder).error != nil)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: place) == [])
    }

    @Test("A volume of another archive is refused and left as it is")
    func otherArchive() throws {
        let other = try TemporaryArchive()
        try other.archive([images[2]])
        try unplug(2)
        let place = temporary.volumes[1]
        try FileManager.default.moveItem(atPath: other.volumes[1], toPath: place)
        let before = try snapshot(place)
        try temporary.open { archive in
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil).volumes[1]
            #expect(status.state == .absent)
            #expect(status.problem?.contains("belongs to archive") == true)
            #expect(try archive.ingest(images[1], in: temporary.folder).error != nil)
        }
        #expect(try snapshot(place) == before)
    }

    @Test("Without any volume the archive does not open, and each is named")
    func none() throws {
        try unplug(1)
        try unplug(2)
        let error = try #require(throws: ArchiveError.self) { try temporary.open { _ in } }
        #expect(error.code == .storage)
        for volume in temporary.volumes { #expect(error.description.contains(volume)) }
        #expect(Archive.holder(of: temporary.path) == nil)
    }

    @Test("Volumes may be named in another order, also when one is absent", arguments: 1...2)
    func reordered(volume: Int) throws {
        let (first, second) = (temporary.volumes[0], temporary.volumes[1])
        try temporary.configure { text in
            text.replacing(first, with: "@").replacing(second, with: first).replacing(
                "@", with: second)
        }
        try temporary.archive([images[1]])
        try temporary.expectBlobs(Array(images.prefix(2)))
        try unplug(volume)
        try temporary.open { archive in
            for id: Int64 in 1...2 { close(try archive.openBlob(of: id).descriptor) }
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(
                status.volumes.map(\.state)
                    == (volume == 1 ? [.online, .absent] : [.absent, .online]))
            #expect(status.volumes.map(\.blobs) == [2, 2])
            #expect(
                try archive.ingest(images[2], in: temporary.folder).error?.description.contains(
                    "volume \(volume)") == true)
        }
    }

    @Test(
        "One volume named twice counts once, and nothing is written to its clone",
        arguments: ["same path", "by a link", "a clone"])
    func twice(how: String) throws {
        let second = temporary.volumes[1]
        let other = temporary.folder.path("other")
        switch how {
        case "same path": break
        case "by a link":
            try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: second)
        default: try FileManager.default.copyItem(atPath: second, toPath: other)
        }
        let place = how == "same path" ? second : other
        try temporary.configure { text in
            let parts = text.components(separatedBy: "# How the archive is shown")
            return parts[0] + "[[volume]]\npath = \"\(place)\"\n\n#" + parts[1]
        }
        try temporary.open { archive in
            let status = try archive.status(pending: nil, readMode: nil, mountpoint: nil)
            #expect(status.volumes.map(\.state) == [.online, .online, .absent])
            let problem = try #require(status.volumes[2].problem)
            #expect(problem.contains(second))
            #expect(problem.contains(place))
            #expect(try archive.ingest(images[0], in: temporary.folder).error == nil)
        }
        try temporary.expectBlobs([images[0]])
    }
}
