import Foundation
import System
import Testing

@Suite struct FileTests {
    /// A folder that goes with the test.
    private final class Folder {
        let path: String

        init() throws {
            path = NSTemporaryDirectory() + "system-\(UUID().uuidString)"
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func file(_ name: String, _ content: [UInt8] = []) throws -> SharedDescriptor {
            try Data(content).write(to: URL(filePath: "\(path)/\(name)"))
            return SharedDescriptor(try Descriptor(opening: "\(path)/\(name)", O_RDWR))
        }
    }

    private static let content = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    @Test("A copy has the bytes of its source, and an observer sees each of them once")
    func copying() throws {
        let folder = try Folder()
        let source = try folder.file("source", Self.content)
        let plain = try folder.file("plain")
        let count = Int64(Self.content.count)
        try FileCopy.copy(from: source.number, to: plain.number, bytes: count)
        #expect(try FileIO.content(of: "\(folder.path)/plain") == Self.content)

        let observed = try folder.file("observed")
        var seen: [UInt8] = []
        try FileCopy.copy(from: source.number, to: observed.number, bytes: count) {
            seen.append(contentsOf: $0)
        }
        #expect(seen == Self.content)
        #expect(try FileIO.content(of: "\(folder.path)/observed") == Self.content)
    }

    @Test("Holes stay holes, also when an observer sees their zeros", arguments: [false, true])
    func holes(isObserved: Bool) throws {
        let folder = try Folder()
        let source = try folder.file("source")
        let size: Int64 = isObserved ? 40 << 20 : 1 << 43
        #expect(ftruncate(source.number, off_t(size)) == 0)
        for offset in [5000, 20 << 20, Int(size) - 10_000] {
            #expect(pwrite(source.number, "data", 4, off_t(offset)) == 4)
        }
        let target = try folder.file("target")
        var seen: Int64 = 0
        if isObserved {
            try FileCopy.copy(from: source.number, to: target.number, bytes: size) {
                seen += Int64($0.count)
            }
            #expect(seen == size)
        } else {
            try FileCopy.copy(from: source.number, to: target.number, bytes: size)
        }
        #expect(try FileFacts(of: target.number).bytes == size)
        #expect(try FileExtents.dataBytes(of: target.number, bytes: size) < 1 << 16)
        for offset in [5000, 20 << 20, Int64(size) - 10_000] {
            #expect(
                try FileIO.bytes(target.number, at: offset - 3, count: 10)
                    == [0, 0, 0] + Array("data".utf8) + [0, 0, 0])
        }
    }

    @Test("A source of another length is not copied", arguments: [-1, 1])
    func wrongLength(difference: Int64) throws {
        let folder = try Folder()
        let source = try folder.file("source", Self.content)
        let target = try folder.file("target")
        var failure: FileCopy.Failure?
        do throws(FileCopy.Failure) {
            try FileCopy.copy(
                from: source.number, to: target.number,
                bytes: Int64(Self.content.count) + difference)
        } catch {
            failure = error
        }
        guard case .wrongLength = failure else {
            Issue.record("expected wrongLength, got \(String(describing: failure))")
            return
        }
    }

    @Test("A full disk is an error of the target")
    func fullDisk() throws {
        let folder = try Folder()
        let source = try folder.file("source", Self.content)
        let target = SharedDescriptor(try Descriptor(opening: "/dev/full", O_WRONLY))
        var failure: FileCopy.Failure?
        do throws(FileCopy.Failure) {
            try FileCopy.copy(
                from: source.number, to: target.number, bytes: Int64(Self.content.count)
            ) { _ in }
        } catch {
            failure = error
        }
        guard case .writing(let error) = failure, error.code == ENOSPC else {
            Issue.record("expected ENOSPC of the target, got \(String(describing: failure))")
            return
        }
    }

    @Test("A directory is listed without moving its descriptor, twice with the same result")
    func listing() throws {
        let folder = try Folder()
        let names = Set((0..<300).map { "file \($0)" } + ["ä", ".hidden"])
        for name in names { _ = try folder.file(name) }
        let directory = SharedDescriptor(
            try Descriptor(opening: folder.path, O_RDONLY | O_DIRECTORY))
        for _ in 0..<2 {
            let found = try DirectoryEntry.names(in: directory.number)
            #expect(found.count == names.count)
            #expect(Set(found.map { String(decoding: $0, as: UTF8.self) }) == names)
        }
    }

    @Test("Listing a file is ENOTDIR")
    func listingFile() throws {
        let folder = try Folder()
        let file = try folder.file("file")
        let number = file.number
        #expect(throws: Errno(ENOTDIR)) { try DirectoryEntry.names(in: number) }
    }

    @Test("The facts of a name that is not there are nil, those of a link are its own")
    func facts() throws {
        let folder = try Folder()
        _ = try folder.file("file", [1, 2, 3])
        symlink("file", "\(folder.path)/link")
        let directory = SharedDescriptor(
            try Descriptor(opening: folder.path, O_RDONLY | O_DIRECTORY))
        let file = try #require(try FileFacts.of("file", in: directory.number))
        #expect(file.bytes == 3 && file.isRegular && file.links == 1)
        let link = try #require(try FileFacts.of(Array("link".utf8), in: directory.number))
        #expect(!link.isRegular && !link.isDirectory)
        #expect(try FileFacts.of("missing", in: directory.number) == nil)
    }

    @Test("A shared descriptor is open until the last reference goes")
    func sharing() throws {
        let folder = try Folder()
        let number: Int32
        do {
            let shared = try folder.file("file", [7])
            number = shared.number
            #expect(try shared.facts().bytes == 1)
            // A link is not followed.
            symlink("file", "\(folder.path)/link")
            let directory = SharedDescriptor(
                try Descriptor(opening: folder.path, O_RDONLY | O_DIRECTORY))
            #expect(throws: Errno(ELOOP)) {
                try SharedDescriptor(at: directory.number, Array("link".utf8), flags: O_RDONLY)
            }
        }
        // The number may be in use again, by another test; then it is not this file.
        let reused = try? FileFacts(of: number)
        #expect(reused == nil || reused?.bytes != 1)
    }

    @Test("An error number has the words of the C library")
    func words() {
        #expect("\(Errno(ENOENT))" == "No such file or directory")
        #expect("\(Errno(EIO))" == "Input/output error")
    }

    @Test("An error reads as one line: what, where, why, what to do")
    func description() {
        struct Example: DescribedError {
            let code = 1
            var message = "the file cannot be read"
            var path: String? = "/v/a.dcm"
            var remedy = "Check the disk"
            var cause: (any Error)? = Errno(EIO)
        }
        #expect(
            "\(Example())"
                == "the file cannot be read: /v/a.dcm (Input/output error). Check the disk")
        #expect("\(Example(path: nil, remedy: "", cause: nil))" == "the file cannot be read")
    }
}
