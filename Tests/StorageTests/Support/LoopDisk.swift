import Foundation
import TestSupport

@testable import Storage

/// The file systems that volumes are tested on.
enum FileSystemKind: String, CaseIterable, Sendable {
    /// Whatever the temporary folder is on.
    case plain
    case ext4, xfs, btrfs

    /// The smallest that its mkfs makes, with some room; bytes.
    fileprivate var imageBytes: Int64 {
        switch self {
        case .plain: 0
        case .ext4: 64 << 20
        case .xfs: 320 << 20
        case .btrfs: 160 << 20
        }
    }

    fileprivate func make(_ image: String) -> [String] {
        switch self {
        case .plain: ["true"]
        case .ext4: ["mkfs.ext4", "-q", "-F", "-m", "0", image]
        case .xfs: ["mkfs.xfs", "-q", "-f", image]
        case .btrfs: ["mkfs.btrfs", "-q", "-f", image]
        }
    }

    /// Why it cannot be tested here; `nil` when it can.
    var obstacle: String? {
        if self == .plain { return nil }
        if geteuid() != 0 { return "mounting needs root" }
        if access("/dev/loop-control", R_OK | W_OK) != 0 { return "there are no loop devices" }
        let program = "mkfs.\(rawValue)"
        let isThere = ["/usr/sbin/", "/sbin/", "/usr/bin/"].contains {
            access($0 + program, X_OK) == 0
        }
        return isThere ? nil : "there is no \(program)"
    }

    static let testable = allCases.filter { $0.obstacle == nil }
    static let disks = testable.filter { $0 != .plain }
}

/// A disk in a file, with a file system, mounted for one test.
final class LoopDisk: Sendable {
    let path: String
    /// Of an empty one; file systems give room back some time after a file is removed.
    private let room: UInt

    /// Mounts an empty one on a folder that is there.
    init(_ kind: FileSystemKind, at path: String) throws {
        self.path = path
        let image = path + ".image"
        let file = open(image, O_RDWR | O_CREAT | O_EXCL, 0o600)
        guard file >= 0, ftruncate(file, off_t(kind.imageBytes)) == 0 else {
            throw ProgramError(description: "\(image): \(lastError)")
        }
        close(file)
        // Mounted, it is there without its name; and nothing of it is left when it is unmounted.
        defer { unlink(image) }
        for command in [kind.make(image), ["mount", "-o", "loop", image, path]] {
            let run = try ProgramRun(
                command, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
            guard run.succeeded else { throw ProgramError(description: run.report) }
        }
        room = try Self.room(at: path)
    }

    /// Bytes that can be written.
    private static func room(at path: String) throws -> UInt {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else {
            throw ProgramError(description: "\(path): \(lastError)")
        }
        return status.f_bavail * status.f_frsize
    }

    /// Lets nothing more be written; no file may be open for writing.
    func makeReadOnly() throws {
        let run = try ProgramRun(["mount", "-o", "remount,ro", path])
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    /// Leaves no room at all.
    func fill() throws {
        let file = open(path + "/filler", O_WRONLY | O_CREAT, 0o600)
        guard file >= 0 else { throw ProgramError(description: "\(path)/filler: \(lastError)") }
        defer { close(file) }
        // Large pieces, then ever smaller ones; synced, because room is given late.
        for size in [1 << 20, 1 << 16, 4096, 512, 1] {
            let piece = [UInt8](repeating: 0xa5, count: size)
            for _ in 0..<2 {
                while Glibc.write(file, piece, size) == size {}
                fsync(file)
            }
        }
    }

    /// Gives the room back.
    func empty() throws {
        unlink(path + "/filler")
        // Btrfs frees it with the next transaction.
        try Directory.open(path: path).syncFileSystem()
        // Ext4 gives it back when the journal has been written, or discarded, a moment later.
        let isBack = eventually(within: 60) { (try? Self.room(at: path)) ?? 0 > room / 2 }
        guard isBack else {
            throw ProgramError(description: "\(path): does not give back the room of a file")
        }
    }

    /// Takes the disk away while it is in use.
    func unplug() { umount2(path, Int32(MNT_DETACH)) }

    deinit { unplug() }
}
