import TestSupport
import FuseServer
import Foundation
import TemporaryArchive
import System
import Testing

@Suite("Mount points")
struct MountpointTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func refusal(_ path: String, keptOutside: [String] = []) throws -> String {
        try #require(throws: MountError.self) {
            try Mountpoint.prepare(path, keptOutside: keptOutside)
        }.description
    }

    private func directory(_ name: String) throws -> String {
        try FileManager.default.createDirectory(
            atPath: folder.path(name), withIntermediateDirectories: true)
        return folder.path(name)
    }

    @Test(
        "An empty directory can be mounted on",
        .enabled(if: access("/dev/fuse", F_OK) == 0, "there is no /dev/fuse"))
    func empty() throws {
        let path = try directory("mnt")
        #expect(throws: Never.self) {
            try Mountpoint.prepare(
                path, keptOutside: [folder.path("archive"), folder.path("mnt2"), "/srv"])
        }
    }

    @Test("What cannot be mounted on is refused, and the message names it and says what to do")
    func refusals() throws {
        #expect(
            try refusal(folder.path("missing"))
                == """
                There is no directory \(folder.path("missing")). Make it with: mkdir -p \
                \(folder.path("missing"))
                """
        )
        let file = try folder.write([1], to: "file")
        #expect(try refusal(file).hasPrefix("\(file) is not a directory."))
        let full = try directory("full")
        try folder.write([1], to: "full/.hidden")
        #expect(try refusal(full).hasPrefix("\(full) is not empty"))
        #expect(
            try refusal(file + "/below").hasPrefix(
                "\(file)/below cannot be mounted on: Not a directory"))
    }

    @Test("Directories that the daemon needs must not be hidden by the mount")
    func keptOutside() throws {
        let path = try directory("mnt")
        for inside in [path, path + "/volume", path + "/a/b"] {
            let message = try refusal(path, keptOutside: ["/srv", inside])
            #expect(message.hasPrefix(inside + " "))
            #expect(message.contains("Choose another mount point"))
        }
        #expect(
            try refusal("/", keptOutside: ["/srv/volume"]).contains("Choose an empty directory"))
    }

    @Test("What the kernel lists is read: the root, its type, the latest last")
    func list() throws {
        let mounts = Mountpoint.all()
        #expect(mounts.contains { $0.path == "/" })
        #expect(mounts.first { $0.path == "/proc" }?.type == "proc")
        #expect(mounts.allSatisfy { $0.path.hasPrefix("/") && !$0.type.isEmpty })
        #expect(Mountpoint.mount(at: "/proc")?.type == "proc")
        #expect(Mountpoint.mount(at: folder.path) == nil)
    }

    @Test(
        "Blanks, tabs, line breaks and backslashes in a path are read as they are",
        .enabled(if: SmallDisk.isPossible, "needs root, to mount a small disk"),
        arguments: ["a b", "tab\there", "line\nbreak", "back\\slash", "\\040", "Größe", "#x"])
    func oddPaths(name: String) throws {
        let path = try directory(name)
        let disk = try SmallDisk(at: path, bytes: 1 << 20)
        defer { disk.unplug() }
        #expect(Mountpoint.mount(at: path)?.type == "tmpfs")
        // And something else that is mounted there is never taken away.
        let message = try refusal(path)
        #expect(message.contains("tmpfs"))
        #expect(Mountpoint.mount(at: path) != nil)
    }

    @Test("A directory that is no mount is not stale")
    func notStale() throws {
        #expect(!Mountpoint.isStale(folder.path))
        #expect(!Mountpoint.isStale(folder.path("missing")))
        #expect(!Mountpoint.isStale("/proc"))
    }

    @Test("Ending what is not mounted says so")
    func notMounted() throws {
        let error = try #require(throws: MountError.self) { try Mountpoint.unmount(folder.path) }
        #expect(error.description.contains(folder.path))
        #expect(error.code == .system && error.cause is Errno)
    }
}
