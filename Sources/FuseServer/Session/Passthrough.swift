import CFuse3
import Glibc
import System

// Of linux/fuse.h 7.40 (kernel 6.9); Debian 12's header is 7.38.

/// `struct fuse_open_out` with its `backing_id`.
struct PassthroughOpen {
    var handle: UInt64
    var flags: UInt32
    var backing: Int32

    init(handle: UInt64, backing: Int32) {
        self.handle = handle
        self.backing = backing
        // FOPEN_PASSTHROUGH, and FOPEN_NOFLUSH: nothing is ever written through it.
        flags = 1 << 7 | 1 << 5
    }
}

/// `struct fuse_backing_map`.
private struct BackingMap {
    var descriptor: Int32
    var flags: UInt32 = 0
    var padding: UInt64 = 0
}

/// The kernel's table of backing files, which it reads by itself.
struct BackingFiles: Sendable {
    /// The descriptor of /dev/fuse.
    let device: Int32

    /// - Returns: The id of the backing file.
    /// - Throws: The error of FUSE_DEV_IOC_BACKING_OPEN: EPERM without CAP_SYS_ADMIN, ELOOP when
    ///   the file is on a stacked file system.
    func register(_ descriptor: Int32) throws(Errno) -> Int32 {
        var map = BackingMap(descriptor: descriptor)
        let id = ioctl(device, 0x4010_E501, &map)
        guard id >= 0 else { throw .last }
        return id
    }

    func release(_ id: Int32) {
        var id = UInt32(bitPattern: id)
        _ = ioctl(device, 0x4004_E502, &id)
    }
}
