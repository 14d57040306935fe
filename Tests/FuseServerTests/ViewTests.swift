import Archive
import CFuse3
import Foundation
import Glibc
import System
import TagIndex
import TemporaryArchive
import Testing

@testable import FuseServer

@Suite("The views, without a mount")
struct ViewTests {
    private let temporary: TemporaryArchive
    private let archive: Archive
    private let fileSystem: FileSystem

    init() throws {
        temporary = try TemporaryArchive()
        archive = try Archive(at: temporary.path, log: temporary.log.logger)
        fileSystem = FileSystem(
            archive: archive, negotiation: InitNegotiation(wantsPassthrough: false),
            permissions: .everybody)
        for seed: UInt64 in 1...3 { _ = try archive.ingest(image(seed), in: temporary.folder) }
    }

    private func lookup(_ names: some Sequence<String>) throws -> fuse_entry_param {
        var entry = fuse_entry_param()
        entry.ino = 1
        for name in names { entry = try fileSystem.lookup(Array(name.utf8), in: entry.ino) }
        return entry
    }

    private func names(_ number: UInt64, after cookie: Int = 0, size: Int = 65_536) throws
        -> [Listed]
    {
        try list(size: size) { buffer in
            try fileSystem.readDirectory(
                number, snapshot: nil, after: cookie, plus: false, into: &buffer)
        }
    }

    @Test(
        "The root has the fixed entries and the views, each once, in portions of any size",
        arguments: [40, 64, 100, 4096])
    func root(size: Int) throws {
        var listed: [Listed] = []
        while true {
            let portion = try names(1, after: listed.last?.cookie ?? 0, size: size)
            if portion.isEmpty { break }
            listed += portion
        }
        let views = try archive.index.read { try $0.views() }.map(\.name)
        #expect(
            listed.map(\.name) == [
                ".", "..", "incoming", "rejected", "README.txt", "search", "status.html",
                "metrics.prom",
            ] + views)
        let files = listed.filter { $0.type == UInt32(DT_REG) }.map(\.name)
        #expect(files == ["README.txt", "status.html", "metrics.prom"])
        #expect(listed.count { $0.type == UInt32(DT_DIR) } == listed.count - 3)
    }

    @Test("An image is one inode in all views, with its size, time and number of names")
    func oneInode() throws {
        let details = try #require(try archive.index.read { try $0.details(2) })
        let entries = try details.paths.map { try lookup($0) }
        #expect(entries.count >= 7)
        #expect(Set(entries.map(\.ino)) == [InodeNumber.instance(2).rawValue])
        let status = entries[0].attr
        #expect(status.st_ino == UInt(entries[0].ino))
        #expect(status.st_mode == S_IFREG | 0o444)
        #expect(status.st_size == image(2).count)
        #expect(status.st_nlink == UInt(entries.count))
        #expect(
            Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
                == details.received)
        #expect(entries.allSatisfy { $0.attr_timeout > 60 && $0.entry_timeout > 60 })
    }

    @Test("Every path that the index tells is found by look-up and by listing")
    func paths() throws {
        for id: Int64 in 1...3 {
            for path in try archive.index.read({ try $0.details(id)?.paths }) ?? [] {
                let parent = path.count > 1 ? try lookup(path.dropLast()).ino : 1
                let listed = try names(parent)
                #expect(
                    listed.contains {
                        $0.name == path.last && $0.inode == InodeNumber.instance(id).rawValue
                    }, "\(path)")
                let up = try #require(listed.first { $0.name == ".." })
                #expect(up.inode == (path.count > 2 ? try lookup(path.dropLast(2)).ino : 1))
            }
        }
    }

    @Test("What is not there is ENOENT, a file is no directory, a foreign number is stale")
    func errors() throws {
        #expect(throws: Errno(ENOENT)) { try lookup(["nothing"]) }
        #expect(throws: Errno(ENOENT)) { try lookup(["by-id", "nobody"]) }
        #expect(throws: Errno(ENOENT)) { try lookup(["BY-ID"]) }
        #expect(throws: Errno(ENOENT)) { try fileSystem.lookup([0xFF, 0xFE], in: 1) }
        #expect(throws: Errno(ENOENT)) {
            try fileSystem.lookup([0xFF, 0xFE], in: lookup(["by-id"]).ino)
        }
        #expect(throws: Errno(ENOTDIR)) { try lookup(["README.txt", "x"]) }
        #expect(throws: Errno(ENOTDIR)) {
            try fileSystem.lookup([1], in: InodeNumber.instance(1).rawValue)
        }
        for number in [
            InodeNumber.fixed(99), .node(99_999), .instance(99_999), .incoming(5), .rejected(5),
        ] {
            #expect(throws: Errno(ESTALE)) { try fileSystem.attributes(of: number.rawValue) }
        }
        #expect(throws: Errno(ESTALE)) { try fileSystem.attributes(of: 7 << 48) }
    }

    @Test(
        "Nothing in the views can be opened for writing",
        arguments: [O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC])
    func readOnly(flags: Int32) throws {
        for number in [
            InodeNumber.instance(1).rawValue, FixedEntry.readme.number,
            InodeNumber.node(1).rawValue,
        ] {
            #expect(throws: Errno(EROFS)) {
                if try fileSystem.image(toOpen: number, flags: flags) == nil {
                    _ = try fileSystem.open(number, flags: flags)
                }
            }
        }
        for number in [InodeNumber.instance(1).rawValue, FixedEntry.rejected.number, 1] {
            #expect(throws: Errno(EROFS)) { try fileSystem.writableTree(number) }
        }
        #expect(try fileSystem.writableTree(FixedEntry.incoming.number) === fileSystem.incoming)
    }

    @Test("An image is read through the daemon byte for byte")
    func reading() throws {
        let number = InodeNumber.instance(3).rawValue
        let id = try #require(try fileSystem.image(toOpen: number, flags: O_RDONLY))
        let result = Monitor<Result<OpenImage, Errno>?>(nil)
        fileSystem.images.open(id) { opened in result.withLock { $0 = opened } }
        let open = try #require(result.withLock { $0 }).get()
        defer { fileSystem.images.close(open) }
        let descriptor = try #require(open.descriptor)
        var bytes = [UInt8](repeating: 0, count: image(3).count)
        #expect(pread(descriptor.number, &bytes, bytes.count, 0) == bytes.count)
        #expect(bytes == image(3))
        #expect(throws: Errno(EISDIR)) { try fileSystem.open(1, flags: O_RDONLY) }
    }

    @Test("README.txt has the size of its text")
    func readme() throws {
        let entry = try lookup(["README.txt"])
        #expect(entry.attr.st_size == FixedEntry.readmeText.count)
        guard case .text(let bytes, _) = try fileSystem.open(entry.ino, flags: O_RDONLY) else {
            Issue.record("it is no text")
            return
        }
        #expect(String(decoding: bytes, as: UTF8.self).contains("incoming/"))
    }

    @Test("What the disk can take is what incoming can take")
    func statistics() throws {
        let statistics = try fileSystem.statistics()
        let room = try archive.capacity()
        #expect(statistics.f_bavail == statistics.f_bfree)
        #expect(abs(Int64(statistics.f_bavail * statistics.f_frsize) - room.free) < 64 << 20)
        #expect(statistics.f_namemax == 255)
    }

    @Test("Rejected files are shown read-only, without what is for whoever looks after the disks")
    func rejected() throws {
        let letter = try temporary.folder.write(Array("letter".utf8), to: "cd/letter.txt")
        _ = archive.importFiles([ImportFile(path: letter, rejectedPath: "cd/letter.txt")])
        try temporary.folder.write([1], to: "volume1/rejected/bad-blobs/x.dcm")
        try temporary.folder.write([1], to: "volume1/rejected/torn-ledger/x")
        let tree = fileSystem.trees.rejected
        let days = try tree.openDirectory(FixedEntry.rejected.number).entries
        #expect(days.count == 1)
        #expect(throws: Errno(ENOENT)) { try lookup(["rejected", "bad-blobs"]) }
        let day = String(decoding: days[0].name, as: UTF8.self)
        let entry = try lookup(["rejected", day, "cd", "letter.txt"])
        #expect(entry.attr.st_mode == S_IFREG | 0o444)
        #expect(try lookup(["rejected", day]).attr.st_mode == S_IFDIR | 0o777)
        #expect(throws: Errno(EROFS)) { try fileSystem.open(entry.ino, flags: O_WRONLY) }
        guard case .rejected(let file) = try fileSystem.open(entry.ino, flags: O_RDONLY) else {
            Issue.record("it has no handle")
            return
        }
        #expect(try file.status().st_size == 6)
        #expect(try lookup(["rejected", day, "cd", "letter.txt.reason.txt"]).attr.st_size > 10)
    }
}
