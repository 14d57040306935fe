import Archive
import Foundation
import Glibc
import Storage
import SyntheticStudy
import System
import TemporaryArchive
import TestSupport
import Testing

/// Files of which little was written: they cost no more than that.
@Suite("Files with holes")
struct HoleTests {
    private let temporary: TemporaryArchive
    private let image = series(images: 1)[0]
    /// As large as a file of ext4 can be is 16 TiB.
    private let huge: Int64 = 1 << 43

    init() throws { temporary = try TemporaryArchive() }

    /// A file with bytes at its start, and a size.
    @discardableResult
    private func make(_ name: String, _ bytes: [UInt8], size: Int64) throws -> String {
        let path = try temporary.folder.write(bytes, to: name)
        #expect(truncate(path, off_t(size)) == 0)
        return path
    }

    /// How much of the disk everything on the volumes takes, bytes.
    private func used() throws -> Int64 {
        try temporary.volumes.reduce(0) { sum, volume in
            try files(below: volume).reduce(sum) { sum, name in
                var status = stat()
                #expect(lstat(volume + "/" + name, &status) == 0)
                return sum + Int64(status.st_blocks) * 512
            }
        }
    }

    private func importFile(_ path: String) throws -> ImportResult {
        try temporary.open { archive in
            archive.importFiles([ImportFile(path: path, rejectedPath: "x.dcm")])[0]
        }
    }

    private func rejected(on volume: Int) throws -> [String] {
        try files(below: temporary.volumes[volume] + "/rejected")
    }

    @Test("A byte at 8 TiB is set aside at once, and takes no more room than it had")
    func byteAtTheEnd() throws {
        let path = try make("junk/x.dcm", [], size: huge)
        let file = open(path, O_WRONLY)
        #expect(pwrite(file, "x", 1, off_t(huge)) == 1)
        close(file)
        let result = try importFile(path)
        #expect(result.outcome == .rejected)
        #expect(try used() < 1 << 20)
        for volume in 0..<2 {
            #expect(try rejected(on: volume).count == 2)
        }
        var status = stat()
        let day = Timestamp.now().date
        #expect(stat("\(temporary.volumes[1])/rejected/\(day)/x.dcm", &status) == 0)
        #expect(Int64(status.st_size) == huge + 1)
        // Again: it is known.
        #expect(try importFile(path).outcome == .rejected)
        #expect(try rejected(on: 0).count == 2)
    }

    @Test("An image with more holes than images have is set aside, with the reason")
    func tooManyHoles() throws {
        let path = try make("junk/x.dcm", image, size: huge)
        let result = try importFile(path)
        #expect(result.outcome == .rejected)
        #expect(result.reason?.contains("bytes were ever written") == true)
        #expect(try used() < 1 << 20)
    }

    @Test("An image with holes is archived with the right bytes, and its copies have the holes")
    func sparseImage() throws {
        let path = try make("cd/x.dcm", image, size: 96 << 20)
        let before = try used()
        let result = try importFile(path)
        #expect(result.outcome == .archived, "\(result)")
        let dense = image + [UInt8](repeating: 0, count: 96 << 20 - image.count)
        for volume in 1...2 {
            #expect(try contents(of: temporary.blob(.of(dense), on: volume)) == dense)
        }
        #expect(try used() - before < 2 << 20)
        #expect(try importFile(path).outcome == .duplicate)
    }

    @Test("What an earlier run left is not hashed either, and its copy on another volume is sparse")
    func leftover() throws {
        try make("volume1/staging/incoming/x.dcm", Array("letter".utf8), size: huge)
        try make("volume1/staging/incoming/IM1.dcm", image, size: huge)
        try make("volume2/staging/incoming/y.part", [1, 2, 3], size: huge)
        try temporary.open { _ in }
        let left = try files(below: temporary.volumes[0] + "/staging/incoming")
        #expect(left == ["y.part"])
        #expect(try rejected(on: 0).count == 4)
        #expect(try rejected(on: 1).count == 4)
        #expect(try files(below: temporary.volumes[1] + "/staging/incoming") == [])
        #expect(try used() < 2 << 20)
    }
}
