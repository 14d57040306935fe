import Glibc
import System
import TestSupport
import Testing

/// Which folders are lost together.
@Suite("Physical disks", .enabled(if: geteuid() == 0, "mounting needs root"))
struct PhysicalDiskTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func disk(_ name: String) throws -> PhysicalDisk {
        try #require(PhysicalDisk(folder.path(name)))
    }

    private func makeFolders(_ names: String...) throws {
        for name in names { #expect(mkdir(folder.path(name), 0o755) == 0) }
    }

    private func shell(_ script: String) throws {
        let run = try ProgramRun(
            ["bash", "-euc", script, folder.path],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        try #require(run.succeeded, "\(run.report)")
    }

    @Test("Folders of one file system are on one disk, one that is not there yet too")
    func folders() throws {
        try makeFolders("a", "b")
        let (a, b) = try (disk("a"), disk("b"))
        #expect(a.shared(with: b) == a.device && !a.disks.isEmpty)
        #expect(PhysicalDisk(folder.path("c/d")) == nil)
        #expect(PhysicalDisk.below(folder.path("c/d")) == a)
        #expect(PhysicalDisk.below("/nowhere/at/all") == PhysicalDisk("/"))
    }

    @Test("Two file systems in memory are two disks, and a bind mount is no other")
    func mounts() throws {
        try makeFolders("a", "b", "bound")
        let disks = try ["a", "b"].map { try SmallDisk(at: folder.path($0), bytes: 1 << 20) }
        defer { for disk in disks { disk.unplug() } }
        #expect(try disk("a").shared(with: disk("b")) == nil)
        #expect(mount(folder.path("a"), folder.path("bound"), nil, UInt(MS_BIND), nil) == 0)
        defer { umount2(folder.path("bound"), Int32(MNT_DETACH)) }
        #expect(try disk("bound").shared(with: disk("a")) != nil)
    }

    @Test(
        "Loop devices whose files are on one disk are on one disk, as far as that can be told",
        .enabled(if: FileSystemKind.testable.contains(.ext4)))
    func loops() throws {
        try makeFolders("a", "b")
        defer { for name in ["a", "b"] { umount2(folder.path(name), Int32(MNT_DETACH)) } }
        try shell(
            """
            cd $0
            for n in a b; do
                truncate -s 8M $n.image; mkfs.ext4 -q -F $n.image; mount -o loop $n.image $n
            done
            """)
        let (a, b) = try (disk("a"), disk("b"))
        let below = try #require(PhysicalDisk(folder.path))
        #expect(a.device != b.device && a.disks == below.disks)
        #expect(a.shared(with: b) == below.names && a.shared(with: below) == below.names)
        // Nobody can tell any more where the bytes are.
        try shell("rm $0/a.image")
        #expect(try disk("a").shared(with: disk("b")) == nil)
    }

    @Test(
        "Subvolumes of Btrfs are on one disk, although their device numbers differ",
        .enabled(if: FileSystemKind.testable.contains(.btrfs)))
    func subvolumes() throws {
        try makeFolders("disk")
        let mounted = try LoopDisk(.btrfs, at: folder.path("disk"))
        defer { mounted.unplug() }
        try shell("cd $0/disk; btrfs subvolume create one; btrfs subvolume create two")
        var (one, two) = (stat(), stat())
        stat(folder.path("disk/one"), &one)
        stat(folder.path("disk/two"), &two)
        #expect(one.st_dev != two.st_dev)
        #expect(try disk("disk/one").shared(with: disk("disk/two")) != nil)
    }
}
