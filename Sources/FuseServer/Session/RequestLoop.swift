import CFuse3
import Glibc
import System
import TagIndex

/// Receives the requests of the kernel, and has each worked on where it holds up no others.
///
///     receive ─┬─► this thread           views, searches, STATFS: they read the index
///              ├─► Lane `incoming`       whatever is about `/incoming` and `/rejected`
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
/// libfuse's own loop hands any request to any of its threads, so that as many requests that hang
/// as there are threads stop everything.
final class RequestLoop: Sendable {
    private struct State {
        /// By number of the thread; `nil` for one that has ended.
        var threads: [pthread_t?] = []
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
    private let incoming: Lane
    private let most: Int
    private let state = Monitor(State())
    private let group = ThreadGroup()

    /// - Parameters:
    ///   - session: Outlives ``run()``.
    ///   - incoming: For requests about `/incoming` and `/rejected`.
    ///   - most: How many threads there are at most. More than all lanes take together.
    init(session: Session.Handle, incoming: Lane, most: Int) {
        self.session = session
        self.incoming = incoming
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
        group.wait(for: "fuse")
    }

    private func start() {
        let number = state.withLock { state -> Int in
            state.threads.append(nil)
            state.isReceiving.append(true)
            state.receiving += 1
            state.running += 1
            return state.threads.count - 1
        }
        group.start("fuse \(number)") { [self] in
            state.withLock { $0.threads[number] = pthread_self() }
            serve(number)
            state.withLock(waking: .all) { state in
                state.threads[number] = nil
                if state.isReceiving[number] { state.receiving -= 1 }
                state.isReceiving[number] = false
                state.running -= 1
            }
        }
    }

    private func serve(_ number: Int) {
        var buffer = RequestBuffer()
        while fuse_session_exited(session.raw) == 0 {
            let count = fuse_session_receive_buf(session.raw, buffer.raw)
            if count == -EINTR || count == -EAGAIN { continue }
            // Unmounted, or asked to end.
            guard count > 0 else { return StopRequest.make() }
            if leave(number) { start() }
            route(buffer)
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
        guard buffer.isAboutIncoming else { return buffer.process(session) }
        incoming.run { [session] in buffer.process(session) }
    }
}

/// A request as the kernel sent it.
private final class RequestBuffer: @unchecked Sendable {
    // @unchecked: one thread at a time has a request, which passes it on by a Lane.

    /// libfuse allocates the memory at the first request.
    let raw: UnsafeMutablePointer<fuse_buf>

    init() {
        raw = .allocate(capacity: 1)
        raw.initialize(to: fuse_buf())
    }

    deinit {
        free(raw.pointee.mem)
        raw.deallocate()
    }

    func process(_ session: Session.Handle) { fuse_session_process_buf(session.raw, raw) }

    // linux/fuse.h: in struct fuse_in_header, of 40 bytes, the opcode is at 4 and the inode at 16;
    // the name of a LOOKUP follows.
    private enum Opcode {
        static let lookup: UInt32 = 1
        static let statfs: UInt32 = 17
        static let batchForget: UInt32 = 42
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
