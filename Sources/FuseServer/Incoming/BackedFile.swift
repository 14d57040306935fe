import Archive
import Glibc
import Storage
import System

/// A regular file of `/incoming` while it is open or not settled yet.
///
/// Lock order: the lock of the ``BackedTree`` before that of a file; neither while a reply
/// is sent.
final class BackedFile: Sendable {
    struct State {
        /// Open for reading and writing while there are handles.
        var descriptor: SharedDescriptor?
        var handles = 0
        /// Whether the descriptor may be written to.
        var isWritable = false
        /// The handles that have written and have not been closed since. The last RELEASE comes
        /// some time after `close`, so handles alone do not tell whether a file is finished.
        var dirtyHandles: Set<ObjectIdentifier> = []
        /// The handles through which a program wrote that was killed: whoever has one of them as
        /// well, as the program that started it, may still close the file.
        var interruptedHandles: Set<ObjectIdentifier> = []
        /// Whether a person has moved it here from `/rejected`: it is archived even if it is cut off,
        /// as long as nobody changes it.
        var isVouchedFor = false
        /// Whether RENAME has answered for it before it was archived: until it is, or is set aside,
        /// nobody else gets its name without its having another.
        var isPromised = false
        /// Whether it holds bytes that have not been offered to the archive.
        var isChanged = false
        /// What could not be written, and why; `nil` again when it was written after all, or all
        /// bytes were cut off. Without it the file is half a file.
        var failure: (range: Range<Int>, error: Errno)?
        /// The size that it was given ahead, and what was written of it; `nil` when that is all.
        var announced: Announcement?
        /// Set while and after its bytes are archived: the inode is then a blob as well, or
        /// is being hashed. What is written next goes to a copy of its own.
        var isFrozen = false
        var status = Status.new
        /// How far it is, when it is a zip archive on its way.
        var unpacking: Unpacking?
        /// The attempts to archive it that have failed.
        var failures = Failures()
        /// Counts the inodes it has had, so that an answer about an earlier one is known.
        var generation = 0
        /// Those who closed it while it was on its way, and wait to hear how that ended; with
        /// the inode that was meant.
        var waiters: [(generation: Int, completion: @Sendable (Result<Void, Errno>) -> Void)] = []
        /// Digest of its first `hashed` bytes, as long as it is written from start to end.
        var digest: StreamingDigest? = StreamingDigest()
        var hashed = 0
        /// When something last happened to it, monotonic ns.
        var lastUse = monotonicNow()
        /// Owner, mode and times that were set after it was frozen: a blob keeps its own.
        var overrides: Overrides?
    }

    enum Status: Sendable {
        /// Being written, or waiting to be renamed.
        case new
        /// On its way into the archive.
        case archiving
        /// `instance.id`.
        case archived(Int64)
        /// A zip archive that was unpacked, or a DICOMDIR: it goes when it settles.
        case served
        /// Is to be set aside when it settles, for this reason.
        case refused(String)
        /// Is to be tried again.
        case failed(ArchiveError)
    }

    /// Attempts that failed, one after the other.
    struct Failures: Sendable {
        /// Until the next, ns.
        private(set) var pause: Int64 = 30_000_000_000
        /// How many failed because of a zip archive itself, all for one reason.
        private var count = 0
        private var last = ""

        /// Whether a zip archive will not be unpacked by trying once more.
        var isLasting: Bool { count >= 5 }

        /// - parameters:
        ///   - duration: of the attempt, ns: no more than a tenth of the time goes into one that fails
        ///   - isOwn: whether the volumes are well, so that it fails because of itself
        mutating func add(_ error: ArchiveError, duration: Int64, isOwn: Bool) {
            pause = max(30_000_000_000, min(10 * duration, 3_600_000_000_000))
            count = !isOwn ? 0 : last == "\(error)" ? count + 1 : 1
            last = "\(error)"
        }
    }

    struct Overrides: Sendable {
        var mode: mode_t?
        var uid: uid_t?
        var gid: gid_t?
        var accessed: timespec?
        var modified: timespec?

        func applied(to status: stat) -> stat {
            var status = status
            if let mode { status.st_mode = status.st_mode & S_IFMT | mode & 0o7777 }
            if let uid { status.st_uid = uid }
            if let gid { status.st_gid = gid }
            if let accessed { status.st_atim = accessed }
            if let modified { status.st_mtim = modified }
            return status
        }
    }

    let state = Lock(State())

    /// Whether it is on its way into the archive, or is being set aside.
    var isUnderWay: Bool {
        state.withLock { state in
            if case .archiving = state.status { true } else { false }
        }
    }
}
