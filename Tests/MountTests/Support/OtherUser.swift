import CThread
import Foundation
import Glibc
import System
import TestSupport

/// A user who is not root, in a mount namespace of its own (mount_namespaces(7)): no other process
/// sees its mounts. It may open `/dev/fuse` there, as Debian's udev allows everybody, and finds the
/// program there.
final class OtherUser: Sendable {
    /// nobody, of whom passwd(5) knows: sshd and smbd want a user with a name.
    static let uid: uid_t = 65534
    static let gid: gid_t = 65534

    /// `pacsfs`, where the user can reach it.
    let program: String
    /// Holds the mounts: they go with it.
    private let namespace: Int32

    /// - Parameters:
    ///   - folder: Belongs to the user from now on.
    ///   - program: The `pacsfs` for the user.
    init(in folder: String, program: String) throws {
        self.program = folder + "/pacsfs"
        let place = self.program
        guard chown(folder, Self.uid, Self.gid) == 0 else {
            throw ProgramError(description: "\(folder): \(lastError)")
        }
        try Files.write([], to: place)
        namespace = try Self.onThread {
            try Self.check("unshare", pacsfs_unshare_mounts())
            try Self.check(
                "mount --make-rprivate", mount("none", "/", nil, UInt(MS_REC | MS_PRIVATE), nil))
            try Self.forgetMounts(beside: folder)
            let device = folder + "/fuse"
            // misc(10), fuse(229): Documentation/admin-guide/devices.txt of Linux; makedev(3)
            try Self.check("mknod", mknod(device, S_IFCHR | 0o666, 10 << 8 | 229))
            try Self.check("chmod", chmod(device, 0o666))
            try Self.check("mount --bind", mount(device, "/dev/fuse", nil, UInt(MS_BIND), nil))
            try Self.check("mount --bind", mount(program, place, nil, UInt(MS_BIND), nil))
            let descriptor = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)
            try Self.check("open", min(descriptor, 0))
            return descriptor
        }
    }

    deinit { close(namespace) }

    /// The beginning of a command line that the user runs in `directory`.
    func launcher(in directory: String) -> [String] {
        [
            "nsenter", "--mount=/proc/\(getpid())/fd/\(namespace)", "--", "setpriv",
            "--reuid=\(Self.uid)", "--regid=\(Self.gid)",
            "--clear-groups", "--", "env", "-C", directory, "--", "HOME=\(directory)",
        ]
    }

    /// Calls a function as the user, in a thread of its own.
    func perform<R: Sendable>(_ body: @escaping @Sendable () throws -> R) throws -> R {
        let namespace = namespace
        return try Self.onThread {
            try Self.check("setns", pacsfs_enter_mounts(namespace))
            try Self.check("setresuid", pacsfs_become(Self.uid, Self.gid))
            return try body()
        }
    }

    /// Gives the user everything below `path`.
    func own(_ path: String) throws {
        let run = try ProgramRun([
            "chown", "-R", "--no-dereference", "\(Self.uid):\(Self.gid)", "--", path,
        ])
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    /// Disks and archives that others have mounted meanwhile must be gone when those unmount
    /// them; a copy of a mount keeps its daemon.
    private static func forgetMounts(beside folder: String) throws {
        let base = String(folder[..<(folder.lastIndex(of: "/") ?? folder.endIndex)]) + "/"
        // proc_pid_mountinfo(5): the fifth field is the mount point; the type follows " - ".
        let targets = try Files.text("/proc/thread-self/mountinfo").split(separator: "\n")
            .compactMap { line in
                line.split(separator: " ").dropFirst(4).first.map {
                    (String($0), line.contains(" - fuse.pacsfs "))
                }
            }
        for (target, isArchive) in targets.reversed() where isArchive || target.hasPrefix(base) {
            umount2(target, Int32(MNT_DETACH))
        }
    }

    private static func check(_ call: String, _ result: Int32) throws {
        guard result == 0 else { throw ProgramError(description: "\(call): \(lastError)") }
    }

    private final class Outcome<R: Sendable>: Sendable {
        let result = Lock<Result<R, any Error>?>(nil)
    }

    private static func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) throws
        -> R
    {
        let outcome = Outcome<R>()
        let thread = try WorkerThread("other user") {
            let result = Result { try body() }
            outcome.result.withLock { $0 = result }
        }
        thread.join()
        guard let result = outcome.result.withLock({ $0 }) else {
            throw ProgramError(description: "The thread did nothing.")
        }
        return try result.get()
    }
}
