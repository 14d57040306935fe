import Glibc
import Testing

@testable import System

@Suite struct ProcessTests {
    @Test("A line of mountinfo is read field by field, with octal escapes")
    func mountLine() throws {
        let mount = try #require(
            MountedFileSystem(
                line: #"36 35 98:0 /sub /mnt/with\040blank rw,noatime master:1 shared:2 - "#
                    + #"fuse.pacsfs /srv/back\134slash rw,user_id=1000,group_id=0"#))
        #expect(mount.path == "/mnt/with blank")
        #expect(mount.root == "/sub")
        #expect(mount.options == ["rw", "noatime"])
        #expect(mount.type == "fuse.pacsfs")
        #expect(mount.source == #"/srv/back\slash"#)
        #expect(mount.superOptions.contains("user_id=1000"))
        #expect(mount.device == "98:0")
    }

    @Test("A line without optional fields, and one that is cut off")
    func oddLines() throws {
        let mount = try #require(MountedFileSystem(line: "1 0 0:1 / /proc rw - proc proc rw"))
        #expect(mount.path == "/proc" && mount.type == "proc")
        #expect(MountedFileSystem(line: "1 0 0:1 / /proc rw - proc") == nil)
        #expect(MountedFileSystem(line: "") == nil)
    }

    @Test("Modes and owners say nothing on file systems that have none")
    func modes() throws {
        func mount(_ type: String, _ options: String = "rw,allow_other") throws -> MountedFileSystem
        {
            try #require(
                MountedFileSystem(line: "1 0 8:1 / /mnt rw - \(type) /dev/sda1 \(options)"[...]))
        }
        for type in ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "nfs4", "hfsplus"] {
            #expect(try mount(type).hasModes, "\(type)")
        }
        for type in ["vfat", "exfat", "ntfs3", "cifs", "fuseblk", "fuse.sshfs", "fuse"] {
            #expect(try !mount(type).hasModes && !mount(type).isPrivate, "\(type)")
        }
        #expect(try mount("fuse.mergerfs", "rw,default_permissions").hasModes)
        #expect(try mount("fuse.rclone", "rw").isPrivate && !mount("ext4", "rw").isPrivate)
        #expect(try mount("ext4").hasOwners && !mount("nfs4").hasOwners)
    }

    @Test("A path leads through symbolic links to the mount that it is on")
    func links() throws {
        // Where no disk has to be asked.
        var template = Array("/dev/shm/pacsfs-test-XXXXXX".utf8CString)
        let made = mkdtemp(&template) != nil
        try #require(made)
        let folder = String(decoding: template.dropLast().map { UInt8($0) }, as: UTF8.self)
        defer { for name in ["a", "b", "c", "loop", ""] { remove("\(folder)/\(name)") } }
        #expect(symlink("/proc", "\(folder)/a") == 0)
        #expect(symlink("./a/self", "\(folder)/b") == 0)
        #expect(symlink("../../shm/./\(folder.dropFirst(9))/b/..", "\(folder)/c") == 0)
        #expect(symlink("loop", "\(folder)/loop") == 0)
        for path in ["a", "a/1", "b", "b/fd", "c", "c/not/there"] {
            #expect(MountedFileSystem.holding("\(folder)/\(path)")?.path == "/proc", "\(path)")
        }
        for path in ["", "loop", "loop/x", "not/there"] {
            #expect(MountedFileSystem.holding("\(folder)/\(path)")?.path == "/dev/shm", "\(path)")
        }
    }

    @Test("This machine's mounts hold /proc")
    func table() {
        #expect(MountedFileSystem.mounted(at: "/proc")?.type == "proc")
        #expect(MountedFileSystem.mounted(at: "/no such mount") == nil)
    }

    @Test("A process is known by its name and arguments")
    func process() throws {
        #expect(RunningProcess.name(of: getpid()) != nil)
        #expect(RunningProcess.arguments(of: getpid()) == CommandLine.arguments)
        #expect(RunningProcess.name(of: -1) == nil)
        #expect(ProcFile.content(of: "no such file", id: getpid()) == nil)
    }

    @Test("The end of a process is waited for, and not longer than wanted")
    func end() throws {
        var ends: [Int32] = [0, 0]
        try systemCall { pipe(&ends) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        // Otherwise the child would keep its own input open.
        posix_spawn_file_actions_addclose(&actions, ends[1])
        let arguments = [strdup("cat"), nil]
        defer { free(arguments[0]) }
        var child = pid_t()
        try #require(posix_spawnp(&child, "cat", &actions, nil, arguments, environ) == 0)
        close(ends[0])
        let process = try WatchedProcess(child)
        let isInTime = process.waitForEnd(until: SystemClock().now + 20_000_000)
        #expect(!isInTime)
        close(ends[1])
        let hasEnded = process.waitForEnd()
        #expect(hasEnded)
        var status: Int32 = -1
        try systemCall { waitpid(child, &status, 0) }
        #expect(status == 0)
        let error = #expect(throws: Errno.self) { _ = try WatchedProcess(child) }
        #expect(error?.code == ESRCH)
    }

    @Test("A file of /proc longer than a page is read whole")
    func longFile() throws {
        let content = try FileIO.content(of: "/proc/self/maps")
        #expect(content.count > 4096)
        #expect(content.last == UInt8(ascii: "\n"))
    }
}
