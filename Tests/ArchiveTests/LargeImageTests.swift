import Archive
import Glibc
import Storage
import TemporaryArchive
import TestSupport
import Testing

/// Images that are not hashed anew each day.
@Suite("Large images")
struct LargeImageTests {
    private let temporary: TemporaryArchive
    private let image: [UInt8]

    init() throws {
        temporary = try TemporaryArchive()
        image = try large(series(images: 1)[0])
    }

    private func alter(volume: Int) throws {
        let path = temporary.blob(.of(image), on: volume)
        chmod(path, 0o644)
        let file = open(path, O_WRONLY)
        try #require(file >= 0)
        defer { close(file) }
        #expect(pwrite(file, "altered!", 8, 1 << 20) == 8)
    }

    @Test("One that changed is hashed before it is read; a copy that is unchanged is read instead")
    func unchangedFirst() throws {
        let clock = ManualClock()
        try temporary.open(clock: clock) { (archive) throws in
            #expect(try archive.ingest(image, in: temporary.folder).archived == 1)
            #expect(try archive.takesLong(toOpen: 1))
            let isKnown = try eventually { () throws in
                // As a duplicate, both copies are hashed.
                #expect(try archive.ingest(image, in: temporary.folder).duplicate == 1)
                return try !archive.takesLong(toOpen: 1)
            }
            #expect(isKnown)
            clock.advance(by: 86_400 * 365)
            #expect(try !archive.takesLong(toOpen: 1))
            try alter(volume: 1)
            let other = try archive.openBlob(of: 1)
            close(other.descriptor)
            #expect(other.version.volumeOrdinal == 2 && other.wasKnown)
            try alter(volume: 2)
            #expect(try archive.takesLong(toOpen: 1))
            let error = #expect(throws: ArchiveError.self) { try archive.openBlob(of: 1) }
            #expect(error?.code == .noGoodCopy)
        }
        // By another process nothing is known.
        try temporary.open { (archive) throws in
            #expect(try archive.takesLong(toOpen: 1))
            #expect(throws: ArchiveError.self) { try archive.openBlob(of: 1) }
        }
    }

    @Test("It is not read on when nobody waits for it any more")
    func unwanted() throws {
        try temporary.open { (archive) throws in
            #expect(try archive.ingest(image, in: temporary.folder).archived == 1)
            var asked = 0
            let opened = try archive.openBlob(of: 1) {
                asked += 1
                return asked < 3
            }
            #expect(opened == nil && asked == 3)
            close(try archive.openBlob(of: 1).descriptor)
        }
    }
}

/// An image with 65 MiB of pixels.
func large(_ image: [UInt8]) throws -> [UInt8] {
    let pixelData: [UInt8] = [0xE0, 0x7F, 0x10, 0x00, 0x4F, 0x57, 0, 0]
    let start =
        try #require(
            image.indices.last { image[$0...].starts(with: pixelData) }) + pixelData.count
    let size = 65 << 20
    let length = (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
    return Array(image[..<start]) + length + [UInt8](repeating: 42, count: size)
}
