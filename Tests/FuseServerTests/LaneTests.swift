import Glibc
import System
import TestSupport
import Testing

@testable import FuseServer

@Suite("Shares of the threads")
struct LaneTests {
    /// A place where threads wait until it is opened.
    private final class Gate: Sendable {
        private let state = Monitor((isOpen: false, waiting: 0))

        func pass() {
            state.withLock(waking: .all) { $0.waiting += 1 }
            state.wait { $0.isOpen ? () : nil }
        }

        func open() { state.withLock(waking: .all) { $0.isOpen = true } }

        /// Returns when so many threads have come.
        func wait(for count: Int) { state.wait { $0.waiting >= count ? () : nil } }
    }

    @Test("As many pieces of work run as a lane has threads; the others wait without one, in order")
    func limit() {
        let lane = Lane(limit: 3)
        let (gate, threads, done) = (Gate(), ThreadGroup(), Monitor<[Int]>([]))
        for number in 0..<3 {
            threads.start("worker") {
                lane.run {
                    gate.pass()
                    done.withLock { $0.append(number) }
                }
            }
        }
        gate.wait(for: 3)
        #expect(lane.isFull)
        // None of these holds up this thread.
        for number in 3..<100 { lane.run { done.withLock { $0.append(number) } } }
        #expect(done.withLock { $0 }.isEmpty)
        gate.open()
        threads.wait(for: "worker")
        let order = done.withLock { $0 }
        #expect(order.count == 100)
        #expect(Set(order) == Set(0..<100))
        #expect(!lane.isFull)
    }

    @Test("With one thread the work is done in the order in which it came")
    func order() {
        let lane = Lane(limit: 1)
        let (gate, threads, done) = (Gate(), ThreadGroup(), Monitor<[Int]>([]))
        threads.start("worker") { lane.run { gate.pass() } }
        gate.wait(for: 1)
        for number in 0..<1000 { lane.run { done.withLock { $0.append(number) } } }
        gate.open()
        threads.wait(for: "worker")
        #expect(done.withLock { $0 } == Array(0..<1000))
    }

    @Test("A disk that hangs takes nothing of another's threads")
    func volumes() {
        let lanes = VolumeLanes(limit: 2)
        let (gate, threads) = (Gate(), ThreadGroup())
        for _ in 0..<2 { threads.start("worker") { lanes[1].run { gate.pass() } } }
        gate.wait(for: 2)
        let ran = Monitor(false)
        lanes[2].run { ran.withLock { $0 = true } }
        #expect(ran.withLock { $0 })
        #expect(lanes[1].isFull && !lanes[2].isFull)
        gate.open()
        threads.wait(for: "worker")
    }
}

@Suite("Answers that are given later")
struct DeferredReplyTests {
    @Test("Of many that answer at once one is heard")
    func once() {
        for _ in 0..<200 {
            let (codes, threads) = (Monitor<[Int32]>([]), ThreadGroup())
            let reply = DeferredReply { code in codes.withLock { $0.append(code) } }
            for code: Int32 in 0..<4 {
                threads.start("answer") {
                    reply.answer(code == 0 ? .success(()) : .failure(Errno(code)))
                }
            }
            threads.wait(for: "answer")
            #expect(codes.withLock { $0.count } == 1)
        }
    }

    @Test("One that is dropped answers EIO")
    func dropped() {
        let codes = Monitor<[Int32]>([])
        _ = DeferredReply { code in codes.withLock { $0.append(code) } }
        #expect(codes.withLock { $0 } == [EIO])
    }
}

@Suite("Signals of a thread that waits")
struct CallingThreadTests {
    @Test(
        "Signals that are pending are told apart by what they do to the program",
        arguments: [
            (SIGTERM, CallingThread.PendingSignal.fatal), (SIGQUIT, .fatal), (SIGUSR1, .handled),
            (SIGTSTP, .harmless), (SIGWINCH, .harmless),
        ])
    func pending(_ signal: Int32, _ expected: CallingThread.PendingSignal) throws {
        // A stopped process handles nothing: what comes stays pending.
        let script = """
            import signal, time
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            # A shell has programs in the background ignore some.
            for number in [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]:
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGUSR1, lambda *_: None)
            signal.signal(signal.SIGUSR2, signal.SIG_IGN)
            time.sleep(60)
            """
        var process = pid_t()
        let words: [String] = ["python3", "-c", script]
        let arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawnp(&process, "python3", nil, nil, arguments, environ) == 0)
        defer {
            kill(process, SIGKILL)
            var status: Int32 = 0
            waitpid(process, &status, 0)
        }
        let thread = CallingThread(id: process)
        // Bit 11: SIGUSR2.
        let isReady = eventually {
            let status = String(
                decoding: thread.content(of: "status", limit: 4096) ?? [], as: UTF8.self)
            let line = status.split(separator: "\n").first { $0.hasPrefix("SigIgn") }
            return line.flatMap { UInt64($0.dropFirst(8), radix: 16) }.map { $0 & 1 << 11 != 0 }
                ?? false
        }
        try #require(isReady)
        kill(process, SIGSTOP)
        var stopped: Int32 = 0
        try #require(waitpid(process, &stopped, WUNTRACED) == process)
        #expect(thread.pendingSignal == .harmless)
        kill(process, SIGUSR2)
        #expect(thread.pendingSignal == .harmless)
        kill(process, signal)
        #expect(thread.pendingSignal == expected)
    }
}
