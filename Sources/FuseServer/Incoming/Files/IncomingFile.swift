import Archive
import Glibc
import Storage
import System

/// A regular file of `/incoming`: what programs see of it, who has it open, and how far its way
/// into the archive is. A value in ``IncomingContents``.
struct IncomingFile: Sendable {
    /// What stat(2) says of it, but for `st_ino`, which is the volume's number, and `st_nlink`.
    /// Every change keeps it current, so that nobody asks the disk. Once the
    /// archive was given it, it is not what the disk says: a blob keeps an owner, a mode and times
    /// of its own.
    var shown: stat
    private(set) var state: State
    /// Whether RENAME has answered for it before it was archived; `nil` when it has not.
    var deferral: Deferral?
    var bytes: WrittenBytes
    /// Whether an earlier run left it, and nobody has read yet whether it is whole.
    var isLeftover = false
    /// Whether it is an image, if its name is one to be ignored; `nil` until somebody has looked.
    var isImage: Bool?
    /// Whether it is a zip archive; `nil` until somebody has looked.
    var isZip: Bool?

    /// Open while there are handles.
    var descriptor: SharedDescriptor?
    /// Whether `descriptor` may be written to.
    var isWritable = false
    var handles = 0
    /// Handles that have written and have not been closed since. The last RELEASE comes some time
    /// after `close`, so that `handles` does not tell whether a file is finished.
    var writers: Set<ObjectIdentifier> = []
    /// Handles through which a program wrote that was killed. Another program that has one of them
    /// as well, such as its parent, may still close the file.
    var killedWriters: Set<ObjectIdentifier> = []

    init(shown: stat, state: State, bytes: WrittenBytes = .unknown) {
        self.shown = shown
        self.shown.st_mode = ForcedFile.unmarked(shown.st_mode)
        self.state = state
        self.bytes = bytes
    }

    /// RENAME has answered: the file is on disk here, and archived afterwards. Until it is archived
    /// or set aside, another file gets its name only after it got another one.
    struct Deferral: Sendable {
        /// Whether a person has moved it here from `/rejected`: it is archived even if it is
        /// truncated, as long as nobody changes it.
        var isForced: Bool
    }

    // MARK: State

    /// How far a file is on its way. A write, a truncation or an allocation leads from any state to
    /// `writing`: the file gets an inode of its own first where the archive has the one it had.
    /// Otherwise:
    ///
    ///     foreign       nothing
    ///     writing    ─► archiving      submitted: closed, renamed or settled
    ///                ─► refused        its writer was killed, or a write had failed
    ///                ─► settingAside   settled: it is empty, or its temporary name was abandoned
    ///     whole      ─► archiving      submitted
    ///                ─► settingAside   as from writing
    ///     archiving  ─► archived, consumed, refused, failed    what the archive answers
    ///     archived   ─► (gone)         settled
    ///     consumed   ─► (gone)         settled
    ///     refused    ─► settingAside   settled
    ///                ─► writing        a program that outlives its killed writer closes it
    ///     settingAside ─► (gone)       it lies in /rejected
    ///                  ─► refused      it could not be copied there, or somebody opened it meanwhile
    ///     failed     ─► archiving      submitted again, after a pause
    ///                ─► settingAside   a zip archive that fails again and again
    enum State: Sendable {
        /// Another program than ours put it there. It is shown, and left alone until it is written.
        case foreign
        /// Its writer may go on with it; the archive has not been given its bytes.
        case writing
        /// It is whole and must be archived: for the first time, or once more because the answer to
        /// an earlier attempt will not reach it.
        case whole
        /// The archive has it.
        case archiving(Attempt)
        /// It is an image: `instance.id`.
        case archived(Int64)
        /// A zip archive that was unpacked, or a DICOMDIR.
        case consumed
        /// It is to be set aside when it settles, for this reason.
        case refused(String)
        /// It is being copied to `/rejected`.
        case settingAside(attempt: UInt64, String)
        /// It could not be archived, and is tried again.
        case failed(ArchiveError, Failures)
    }

    /// One attempt to archive it.
    struct Attempt: Sendable {
        /// Tells the answer to this one from answers to others.
        var number: UInt64
        /// How far the unpacking of a zip archive is.
        var unpacking: Unpacking?
        /// Of the same bytes before.
        var failures: Failures
    }

    /// To whom the inode belongs.
    enum Holder {
        /// To the writer.
        case writer
        /// It was given to the daemon on disk, and can be given back.
        case daemon
        /// It is a blob, or may be one: what is written next goes to a copy.
        case archive
    }

    var holder: Holder {
        switch state {
        case .foreign, .writing: .writer
        case .refused: deferral == nil ? .daemon : .archive
        case .whole, .archiving, .archived, .consumed, .settingAside, .failed: .archive
        }
    }

    /// Whether it was written here, or left by an earlier run.
    var isOurs: Bool { if case .foreign = state { false } else { true } }

    /// Whether it is neither archived nor set aside yet.
    var isPending: Bool {
        switch state {
        case .foreign, .archived, .consumed: false
        case .writing, .whole, .archiving, .refused, .settingAside, .failed: true
        }
    }

    /// Whether the archive has it, or it is being set aside.
    var isUnderWay: Bool {
        switch state {
        case .archiving, .settingAside: true
        default: false
        }
    }

    /// Whether it has bytes that the archive neither has nor has refused.
    var canBeArchived: Bool {
        switch state {
        case .writing, .whole, .failed: true
        default: false
        }
    }

    // MARK: Transitions

    /// Somebody changes its bytes. The inode is the writer's by now.
    mutating func write() {
        state = .writing
        deferral = nil
        isZip = nil
        isImage = nil
        isLeftover = false
    }

    /// Its bytes are submitted to the archive.
    ///
    /// - Parameter number: Of the attempt.
    /// - Returns: False when there is nothing to archive; nothing has changed then.
    mutating func beginArchiving(_ number: UInt64, unpacking: Unpacking?) -> Bool {
        switch state {
        case .writing, .whole:
            state = .archiving(Attempt(number: number, unpacking: unpacking, failures: .init()))
        case .failed(_, let failures):
            state = .archiving(Attempt(number: number, unpacking: unpacking, failures: failures))
        default: return false
        }
        return true
    }

    /// The archive has answered an attempt.
    ///
    /// - Parameters:
    ///   - number: Of the attempt.
    ///   - isOwn: Whether a failure is that of the file: the volumes have room and are well.
    /// - Returns: False when the file has got other bytes since, so that the answer is not about
    ///   it.
    @discardableResult
    mutating func endArchiving(
        _ number: UInt64, _ result: Result<IngestOutcome, ArchiveError>, isOwn: Bool
    ) -> Bool {
        guard case .archiving(let attempt) = state, attempt.number == number else { return false }
        switch result {
        case .success(.archived(let id, _)), .success(.sameDataSet(let id, _)),
            .success(.duplicate(let id)):
            state = .archived(id)
            deferral = nil
        case .success(.unpacked), .success(.ignored):
            state = .consumed
            deferral = nil
        case .success(.refused(let reason)): state = .refused(reason)
        case .failure(let error):
            var failures = attempt.failures
            failures.add(
                error, duration: attempt.unpacking?.duration ?? 0,
                isOwn: isOwn && attempt.unpacking != nil)
            state = .failed(error, failures)
        }
        return true
    }

    /// It is known not to be an image, or not a whole one.
    ///
    /// - Returns: False when it is none that is being written; nothing has changed then.
    @discardableResult
    mutating func refuse(_ reason: String) -> Bool {
        guard case .writing = state else { return false }
        state = .refused(reason)
        return true
    }

    /// A program that has outlived the one that was killed closes it: it may be whole after all.
    mutating func reconsider() { if case .refused = state { state = .writing } }

    /// It begins to be copied to `/rejected`.
    ///
    /// - Returns: False when it has gone another way meanwhile; nothing has changed then.
    mutating func beginSettingAside(_ number: UInt64, _ reason: String) -> Bool {
        switch state {
        case .writing, .whole, .refused, .failed: state = .settingAside(attempt: number, reason)
        default: return false
        }
        return true
    }

    /// It was copied to `/rejected`, or could not be.
    ///
    /// - Returns: Whether its name can go: it was, and nobody uses it.
    mutating func endSettingAside(_ number: UInt64, succeeded: Bool) -> Bool {
        guard case .settingAside(let attempt, let reason) = state, attempt == number else {
            return false
        }
        if succeeded, handles == 0 { return true }
        state = .refused(reason)
        return false
    }

    /// The file that keeps the inode of this one, because this one gets other bytes. The answer
    /// to an attempt under way would not reach it; therefore it is archived once more.
    func detached() -> IncomingFile {
        var kept = IncomingFile(shown: shown, state: state)
        if case .archiving = state { kept.state = .whole }
        kept.deferral = deferral
        (kept.isZip, kept.isImage) = (isZip, isImage)
        kept.isLeftover = isLeftover
        return kept
    }

    // MARK: Attributes

    /// Notes that bytes were written.
    mutating func grow(_ range: Range<Int>, at time: timespec) {
        shown.st_size = max(shown.st_size, range.upperBound)
        let most = (shown.st_size + 4095) / 4096 * 8
        shown.st_blocks = min(most, shown.st_blocks + (range.count + 4095) / 4096 * 8)
        (shown.st_mtim, shown.st_ctim) = (time, time)
    }

    /// Takes size, blocks and times from what the disk says of it.
    mutating func refresh(_ status: stat) {
        (shown.st_size, shown.st_blocks) = (status.st_size, status.st_blocks)
        (shown.st_mtim, shown.st_ctim) = (status.st_mtim, status.st_ctim)
    }
}

/// Attempts to archive a file that failed, one after the other.
struct Failures: Sendable {
    /// Until the next attempt, ns.
    private(set) var pause: Int64 = 30_000_000_000
    /// How many failed because of a zip archive itself, all for one reason.
    private var count = 0
    private var last = ""

    /// Whether a zip archive will not be unpacked by trying once more.
    var isLasting: Bool { count >= 5 }

    /// - Parameters:
    ///   - duration: Of the attempt, ns: no more than a tenth of the time goes into one that fails.
    ///   - isOwn: Whether the volumes are well, so that the zip archive itself is the reason.
    mutating func add(_ error: ArchiveError, duration: Int64, isOwn: Bool) {
        pause = max(30_000_000_000, min(10 * duration, 3_600_000_000_000))
        count = !isOwn ? 0 : last == "\(error)" ? count + 1 : 1
        last = "\(error)"
    }
}
