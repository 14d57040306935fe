import Archive
import CFuse3
import Glibc
import System
import TagIndex

/// Receives the requests of the kernel, and has each worked on where it holds up no others.
///
///     receive ─┬─► this thread           views, searches, STATFS: they read the index
///              ├─► Lane `incoming`       whatever is about `/incoming` and `/rejected`
///              ├─► Lane `documents`      status.html and metrics.prom: all volumes are looked at
///              └─► this thread, then     OPEN and READ of an image: ImageFiles passes what
///                  the Lane of a volume  reads a disk on to the lane of its volume
///
/// A thread that works on a request of a lane is missing among those that receive, and another
/// takes its place when none is left. As lanes are limited, there is always one: also for
/// INTERRUPT.
///
/// The kernel gives requests to the threads that receive in turn, and one whose stack is still in
/// the processor's cache is faster: when enough receive, the others rest.
///
/// A thread that is in a call on a disk that was given up (``DiskPatience``) does not count any
/// more: what it was working on is begun again, or answered with EIO. When it comes back it ends,
/// and the kernel takes no second answer to a request.
///
/// libfuse's own loop hands any request to any of its threads, so that as many requests that hang
/// as there are threads stop everything.
final class RequestLoop: Sendable {
    private struct State {
        /// By number of the thread; `nil` for one that has ended.
        var threads: [pthread_t?] = []
        /// The same threads, to be waited for.
        var workers: [WorkerThread?] = []
        /// Threads that may never come back.
        var lost = 0
        /// Whether the thread waits for a request, or is about to.
        var isReceiving: [Bool] = []
        var receiving = 0
        var running = 0
        /// Threads that wait until nobody receives.
        var resting = 0
        /// Resting threads that are to receive again.
        var called = 0
        var isOver = false
    }

    /// No more threads than this wait for requests.
    private static let enough = 4

    private let session: Session.Handle
    private let fileSystem: FileSystem
    private let incoming: Lane
    /// For the attributes of `/incoming` and `/rejected` themselves, as a listing of the root asks
    /// for them: nobody waits for those who wait for their disk.
    private let roots: Lane
    private let documents: Lane
    private let most: Int
    private let state = Monitor(State())

    private var patience: DiskPatience? { fileSystem.archive.patience }

    /// - Parameters:
    ///   - session: Outlives ``run()``.
    ///   - incoming: For requests about `/incoming` and `/rejected`.
    ///   - most: How many threads there are at most. More than all lanes take together.
    init(session: Session.Handle, fileSystem: FileSystem, incoming: Lane, most: Int) {
        self.session = session
        self.fileSystem = fileSystem
        self.incoming = incoming
        roots = Lane(limit: 4, patience: fileSystem.archive.patience)
        documents = Lane(limit: ThreadShares.documents, patience: fileSystem.archive.patience)
        self.most = most
    }

    /// Serves until the file system is unmounted, or SIGTERM or SIGINT comes.
    func run() {
        StopRequest.arm()
        defer { StopRequest.disarm() }
        start()
        StopRequest.wait()
        fuse_session_exit(session.raw)
        state.withLock(waking: .all) { $0.isOver = true }
        // A signal ends the read(2) of a thread that waits for a request; one that is just about
        // to read needs another.
        while true {
            let isOver = state.wait(until: SystemClock().now + 10_000_000) { state -> Bool? in
                if state.running == 0 { return true }
                for (thread, isReceiving) in zip(state.threads, state.isReceiving) {
                    if isReceiving, let thread { pthread_kill(thread, SIGURG) }
                }
                return nil
            }
            if isOver == true { break }
        }
        for worker in state.withLock({ $0.workers }) { worker?.join() }
    }

    /// Whether threads are still in calls on disks that were given up. Nothing of what they use may
    /// be freed.
    var hasLostThreads: Bool { state.withLock { $0.lost > 0 } }

    private func start() {
        let number = state.withLock { state -> Int in
            state.threads.append(nil)
            state.workers.append(nil)
            state.isReceiving.append(true)
            state.receiving += 1
            state.running += 1
            return state.threads.count - 1
        }
        do throws(Errno) {
            let worker = try WorkerThread("fuse \(number)") { [self] in run(number) }
            state.withLock { $0.workers[number] = worker }
        } catch {
            fatalError("cannot start a thread for requests: \(error)")
        }
    }

    private func run(_ number: Int) {
        state.withLock { $0.threads[number] = pthread_self() }
        guard let patience else {
            serve(number, nil)
            return ended(number)
        }
        let work = DiskWork(patience) { [self] in lose(number) }
        work.perform { serve(number, work) }
        if work.isAbandoned {
            state.withLock { $0.lost -= 1 }
        } else {
            ended(number)
        }
    }

    private func ended(_ number: Int) {
        state.withLock(waking: .all) { state in
            state.threads[number] = nil
            if state.isReceiving[number] { state.receiving -= 1 }
            state.isReceiving[number] = false
            state.running -= 1
        }
    }

    /// Goes on without a thread that works on a request.
    private func lose(_ number: Int) {
        let starts = state.withLock(waking: .all) { state in
            state.threads[number] = nil
            state.workers[number] = nil
            state.running -= 1
            state.lost += 1
            guard state.receiving == 0, !state.isOver else { return false }
            guard state.resting > 0 else { return true }
            state.resting -= 1
            state.called += 1
            state.receiving += 1
            return false
        }
        if starts { start() }
    }

    private func serve(_ number: Int, _ work: DiskWork?) {
        var buffer = RequestBuffer()
        while fuse_session_exited(session.raw) == 0 {
            let count = fuse_session_receive_buf(session.raw, buffer.raw)
            if count == -EINTR || count == -EAGAIN { continue }
            // Unmounted, or asked to end.
            guard count > 0 else { return StopRequest.make() }
            if leave(number) { start() }
            work?.attachment = buffer
            route(buffer)
            work?.attachment = nil
            if work?.isAbandoned == true { return }
            // A lane keeps the buffer of a request that waits.
            if !isKnownUniquelyReferenced(&buffer) { buffer = RequestBuffer() }
            come(number)
        }
    }

    /// Takes this thread from those that receive. When none is left, a resting one takes its place.
    ///
    /// - Returns: Whether another is to be started.
    private func leave(_ number: Int) -> Bool {
        let (wakes, starts) = state.withLock { state -> (Bool, Bool) in
            state.isReceiving[number] = false
            state.receiving -= 1
            guard state.receiving == 0 else { return (false, false) }
            guard state.resting > 0 else { return (false, state.running < most) }
            state.resting -= 1
            state.called += 1
            // It counts from now on, so that the next that leaves does not call another.
            state.receiving += 1
            return (true, false)
        }
        if wakes { state.withLock(waking: .one) { _ in } }
        return starts
    }

    /// Puts this thread among those that receive, or lets it rest until it is called.
    private func come(_ number: Int) {
        let rests = state.withLock { state in
            if state.receiving >= Self.enough, !state.isOver {
                state.resting += 1
                return true
            }
            state.isReceiving[number] = true
            state.receiving += 1
            return false
        }
        guard rests else { return }
        state.wait { state -> Void? in
            if state.called > 0 {
                state.called -= 1
            } else {
                guard state.isOver else { return nil }
                state.resting -= 1
                state.receiving += 1
            }
            state.isReceiving[number] = true
            return ()
        }
    }

    private func route(_ buffer: RequestBuffer) {
        buffer.isAbandoned = { [weak self, weak buffer] in
            guard let buffer else { return }
            self?.takeOver(buffer)
        }
        if buffer.isAboutDocuments {
            documents.run(isAbandoned: { buffer.isAbandoned?() }) { [session] in
                buffer.process(session)
            }
        } else if buffer.isAboutIncoming {
            work(on: buffer)
        } else {
            buffer.process(session)
        }
    }

    private func work(on buffer: RequestBuffer) {
        let lane = buffer.isAboutRoots ? roots : incoming
        lane.run(isAbandoned: { buffer.isAbandoned?() }) { [session, fileSystem] in
            guard let disk = fileSystem.disk(of: buffer.inode) else {
                return buffer.process(session)
            }
            if disk.callHere({ buffer.process(session) }) { return }
            // Nothing is left to be done on the disk then.
            buffer.letsGo ? buffer.process(session) : buffer.refuse(session)
        }
    }

    /// Goes on with a request whose disk was given up.
    private func takeOver(_ buffer: RequestBuffer) {
        patience?.start { [self] in
            DiskWork.current?.attachment = buffer
            // Where it is shown, it may be on another volume now.
            fileSystem.trees.follow()
            guard buffer.mayBeWorkedOnAgain else { return buffer.refuse(session) }
            route(buffer)
        }
    }
}

/// A request as the kernel sent it.
final class RequestBuffer: @unchecked Sendable {
    // @unchecked: one thread at a time has a request, which passes it on by a Lane.

    /// libfuse allocates the memory at the first request.
    let raw: UnsafeMutablePointer<fuse_buf>
    private let state = Lock((isAbandoned: (@Sendable () -> Void)?.none, times: 0))

    /// Called when the disk is given up for which it waits.
    var isAbandoned: (@Sendable () -> Void)? {
        get { state.withLock { $0.isAbandoned } }
        set { state.withLock { $0 = (newValue, 0) } }
    }

    init() {
        raw = .allocate(capacity: 1)
        raw.initialize(to: fuse_buf())
    }

    deinit {
        free(raw.pointee.mem)
        raw.deallocate()
    }

    func process(_ session: Session.Handle) { fuse_session_process_buf(session.raw, raw) }

    /// For a piece of work on a lane: goes on with the request that this thread works on, when the
    /// disk is given up.
    static var takeOver: Lane.Work {
        let buffer = DiskWork.current?.attachment as? RequestBuffer
        return { buffer?.isAbandoned?() }
    }

    /// Answers EIO. The kernel takes the first answer to a request, and no other.
    func refuse(_ session: Session.Handle) {
        if [Opcode.forget, Opcode.batchForget].contains(opcode) { return }
        // struct fuse_out_header: length, error, number of the request.
        withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { header in
            header.storeBytes(of: 16, as: UInt32.self)
            header.storeBytes(of: -EIO, toByteOffset: 4, as: Int32.self)
            header.storeBytes(of: word(at: 8), toByteOffset: 8, as: UInt64.self)
            _ = Glibc.write(fuse_session_fd(session.raw), header.baseAddress, header.count)
        }
    }

    /// Whether it can be worked on twice: what it makes is made on another volume then, and it
    /// changes nothing else. At most so many times.
    var mayBeWorkedOnAgain: Bool {
        let again: Set = [
            Opcode.lookup, Opcode.getattr, Opcode.mkdir, Opcode.open, Opcode.read, Opcode.opendir,
            Opcode.create,
        ]
        return again.contains(opcode)
            && state.withLock { state in
                state.times += 1
                return state.times <= 4
            }
    }

    // linux/fuse.h: in struct fuse_in_header, of 40 bytes, the opcode is at 4 and the inode at 16;
    // the name of a LOOKUP follows.
    private enum Opcode {
        static let lookup: UInt32 = 1
        static let forget: UInt32 = 2
        static let getattr: UInt32 = 3
        static let mkdir: UInt32 = 9
        static let open: UInt32 = 14
        static let read: UInt32 = 15
        static let statfs: UInt32 = 17
        static let release: UInt32 = 18
        static let opendir: UInt32 = 27
        static let releasedir: UInt32 = 29
        static let create: UInt32 = 35
        static let batchForget: UInt32 = 42
    }

    private func word(at offset: Int) -> UInt64 {
        UnsafeRawBufferPointer(start: raw.pointee.mem, count: raw.pointee.size)
            .loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    private var opcode: UInt32 { UInt32(truncatingIfNeeded: word(at: 0) >> 32) }

    /// Whether it only lets go of something.
    var letsGo: Bool {
        [Opcode.forget, Opcode.batchForget, Opcode.release, Opcode.releasedir].contains(opcode)
    }

    /// Whether it asks for the attributes of `/incoming` or `/rejected` itself.
    var isAboutRoots: Bool {
        switch InodeNumber(rawValue: word(at: 16)) {
        case .fixed(FixedEntry.root.rawValue): opcode == Opcode.lookup
        case .fixed: opcode == Opcode.getattr
        default: false
        }
    }

    /// What it is about; the root for one about many inodes.
    var inode: UInt64 { opcode == Opcode.batchForget ? FixedEntry.root.number : word(at: 16) }

    /// Whether a document is to be made for it.
    var isAboutDocuments: Bool {
        let bytes = UnsafeRawBufferPointer(start: raw.pointee.mem, count: raw.pointee.size)
        guard bytes.count >= 40 else { return false }
        switch (InodeNumber(rawValue: word(at: 16)), opcode) {
        case (.fixed(FixedEntry.root.number), Opcode.lookup):
            let name = Array(bytes[40...].prefix { $0 != 0 })
            return FixedEntry.named(name, ignoresCase: true)?.document != nil
        case (.fixed(let number), Opcode.lookup), (.fixed(let number), Opcode.getattr),
            (.fixed(let number), Opcode.open):
            return FixedEntry(rawValue: number)?.document != nil
        default: return false
        }
    }

    /// Whether the request may wait for the volume of `/incoming`, or for a lock of its tree.
    var isAboutIncoming: Bool {
        let bytes = UnsafeRawBufferPointer(start: raw.pointee.mem, count: raw.pointee.size)
        guard bytes.count >= 40 else { return false }
        let opcode = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        switch opcode {
        // About the whole file system, whichever inode it names.
        case Opcode.statfs: return false
        // About inodes of all kinds.
        case Opcode.batchForget: return true
        default: break
        }
        let number = bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        switch InodeNumber(rawValue: number) {
        case .incoming, .rejected: return true
        case .fixed(FixedEntry.incoming.rawValue), .fixed(FixedEntry.rejected.rawValue):
            return true
        case .fixed(FixedEntry.root.rawValue) where opcode == Opcode.lookup:
            // Their attributes are those of a folder of the volume.
            let name = Array(bytes[40...].prefix { $0 != 0 })
            let entry = FixedEntry.named(name, ignoresCase: true)
            return entry == .incoming || entry == .rejected
        default: return false
        }
    }
}

/// A wish to end the daemon: by SIGTERM or SIGINT, or because it was unmounted.
private enum StopRequest {
    // sem_post(3) is one of the few calls that a signal handler may make (signal-safety(7)).
    nonisolated(unsafe) private static let semaphore: UnsafeMutablePointer<sem_t> = {
        let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
        return semaphore
    }()

    static func make() { sem_post(semaphore) }

    static func wait() { while sem_wait(semaphore) != 0 {} }

    /// SIGURG, which means nothing to anybody else, ends a system call of the thread it is sent to.
    static func arm() {
        // Made before a signal comes.
        _ = semaphore
        set([SIGTERM, SIGINT]) { _ in StopRequest.make() }
        set([SIGURG]) { _ in }
    }

    static func disarm() {
        for number in [SIGTERM, SIGINT, SIGURG] { signal(number, SIG_DFL) }
    }

    private static func set(_ numbers: [Int32], _ handler: @escaping @convention(c) (Int32) -> Void)
    {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        for number in numbers { sigaction(number, &action, nil) }
    }
}
