import Foundation
import TestSupport

/// An ext4 disk in a file, which can be lost in several ways and brought back with its contents.
final class LosableDisk: Sendable {
    /// How a disk is lost.
    enum Loss: String, CaseIterable, Sendable {
        /// Unmounted under the daemon, which has files open.
        case unmounted
        /// The file system met an error and lets nothing be written any more.
        case readOnly
        /// Every access fails with EIO, as when the cable is pulled.
        case pulled
    }

    let path: String
    private let image: String

    static let isPossible = geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0

    /// Mounts an empty disk.
    ///
    /// - Parameters:
    ///   - path: Where; the folder is made.
    ///   - megabytes: Its size.
    init(at path: String, megabytes: Int = 96) throws {
        self.path = path
        image = path + ".image"
        try Self.shell(
            """
            mkdir \"$0\"; truncate -s \(megabytes)M \"$1\"; mkfs.ext4 -q -F -m 0 -e remount-ro \
            \"$1\"
            """,
            path, image)
        try mount()
    }

    private static func shell(_ script: String, _ arguments: String...) throws {
        let run = try ProgramRun(
            ["bash", "-euo", "pipefail", "-c", script] + arguments,
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], timeout: 60)
        guard run.succeeded else { throw ProgramError(description: run.report) }
    }

    /// The name of the file that the loop device is made of is removed, so that it stands for a
    /// disk of its own: pacsfs finds out that files of one disk are one disk.
    func mount() throws {
        try Self.shell(
            """
            ln "$1" "$1.name"; mount -o loop "$1.name" "$0"; rm "$1.name"
            """, path, image)
    }

    func lose(_ loss: Loss) throws {
        switch loss {
        case .unmounted: unmount()
        case .readOnly:
            try Self.shell(
                """
                d=$(findmnt -no SOURCE \"$0\"); echo test > \
                /sys/fs/ext4/${d#/dev/}/trigger_fs_error
                """,
                path)
        case .pulled:
            // EXT4_IOC_SHUTDOWN (linux/ext4.h) with EXT4_GOING_FLAGS_LOGFLUSH.
            try Self.shell(
                """
                python3 -c 'import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], \
                os.O_RDONLY), 0x8004587d, struct.pack(\"I\", 1))' \"$0\"
                """,
                path)
        }
    }

    /// Brings the disk back as an administrator would: unmounts what is left, waits until no
    /// process has it open, checks the file system and mounts it.
    func bringBack() throws {
        unmount()
        try Self.shell(
            """
            for i in {1..150}; do losetup -j "$1" | grep -q . || break; sleep 0.1; done
            if losetup -j "$1" | grep .; then echo "somebody keeps the disk open" >&2; exit 1; fi
            e2fsck -fy "$1" >/dev/null || (($? < 4))
            """, path, image)
        try mount()
    }

    func unmount() { umount2(path, Int32(MNT_DETACH)) }

    /// Puts an empty disk in its place.
    func replaceByEmpty() throws {
        unmount()
        try Self.shell(
            "rm \"$1\"; truncate -s 96M \"$1\"; mkfs.ext4 -q -F -m 0 \"$1\"", path, image)
        try mount()
    }
}
