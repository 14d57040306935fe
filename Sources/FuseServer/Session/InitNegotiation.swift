import CFuse3
import Glibc
import Synchronization

/// The features that the kernel and the daemon agree on in INIT.
///
/// libfuse 3.14 knows neither passthrough nor FUSE_HANDLE_KILLPRIV_V2, and leaves parallel look-ups
/// in one directory out of its answer. So its reads and writes of /dev/fuse pass through here: the
/// read hook notes what the kernel offers, the write hook adds the missing features to the answer.
final class InitNegotiation: Sendable {
    private let wantsPassthrough: Bool
    private let descriptor = Atomic<Int32>(-1)
    private let initUnique = Atomic<UInt64>(0)
    private let offersPassthrough = Atomic<Bool>(false)
    private let offersKillpriv = Atomic<Bool>(false)
    private let agreed = Atomic<Bool>(false)

    init(wantsPassthrough: Bool) { self.wantsPassthrough = wantsPassthrough }

    /// Whether OPEN may be answered with a backing file.
    var passthrough: Bool { agreed.load(ordering: .acquiring) }

    /// The descriptor of /dev/fuse.
    var device: Int32 {
        get { descriptor.load(ordering: .acquiring) }
        set { descriptor.store(newValue, ordering: .releasing) }
    }

    // linux/fuse.h: struct fuse_in_header is 40 bytes (opcode at 4, unique at 8), struct
    // fuse_init_in follows (flags at 12, flags2 at 16); in the answer struct fuse_out_header
    // is 16 bytes (unique at 8) and struct fuse_init_out has flags at 12, flags2 at 32,
    // max_stack_depth at 36.
    private static let opcodeInit: UInt32 = 26
    private static let flagParallelDirops: UInt32 = 1 << 18
    // The kernel then does not read `security.capability` before every write, and leaves it to the
    // daemon to clear set-user-id bits, which no file here has.
    private static let flagHandleKillprivV2: UInt32 = 1 << 28
    private static let flagInitExt: UInt32 = 1 << 30
    private static let flag2Passthrough: UInt32 = 1 << (37 - 32)

    func sawRequest(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= 60,
            bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == Self.opcodeInit
        else { return }
        initUnique.store(
            bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self), ordering: .releasing)
        let flags2 = bytes.loadUnaligned(fromByteOffset: 56, as: UInt32.self)
        let flags = bytes.loadUnaligned(fromByteOffset: 52, as: UInt32.self)
        offersKillpriv.store(flags & Self.flagHandleKillprivV2 != 0, ordering: .releasing)
        offersPassthrough.store(flags2 & Self.flag2Passthrough != 0, ordering: .releasing)
    }

    /// - Returns: Whether this is the answer to INIT, after which the mount can be used.
    func completeAnswer(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        let unique = initUnique.load(ordering: .acquiring)
        guard unique != 0, vectors.count == 2, vectors[0].iov_len >= 16, vectors[1].iov_len >= 64,
            let header = vectors[0].iov_base, let body = vectors[1].iov_base,
            header.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == unique
        else { return false }
        initUnique.store(0, ordering: .releasing)
        var flags =
            body.loadUnaligned(fromByteOffset: 12, as: UInt32.self) | Self.flagParallelDirops
        if offersKillpriv.load(ordering: .acquiring) { flags |= Self.flagHandleKillprivV2 }
        if wantsPassthrough, offersPassthrough.load(ordering: .acquiring) {
            flags |= Self.flagInitExt
            let flags2 = body.loadUnaligned(fromByteOffset: 32, as: UInt32.self)
            body.storeBytes(of: flags2 | Self.flag2Passthrough, toByteOffset: 32, as: UInt32.self)
            body.storeBytes(of: 1, toByteOffset: 36, as: UInt32.self)
            // The kernel reads the new fields only from an answer of at least this minor.
            body.storeBytes(of: 40, toByteOffset: 4, as: UInt32.self)
            agreed.store(true, ordering: .releasing)
        }
        body.storeBytes(of: flags, toByteOffset: 12, as: UInt32.self)
        return true
    }
}
