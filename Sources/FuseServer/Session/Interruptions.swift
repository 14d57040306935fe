import CFuse3
import Glibc
import System

/// Requests that wait, and are answered EINTR when a signal comes for the program that waits: the
/// kernel tells of it by INTERRUPT, and goes on waiting for the answer.
///
/// The answer is given by a thread of its own ("interrupt"): libfuse's callback holds a lock of the
/// request, which an answer would free.
final class Interruptions: Sendable {
    /// Which signals end the wait.
    enum Cause: Sendable {
        /// Those that end the program, for calls of which programs do not expect EINTR: open(2) of
        /// a regular file, rename(2).
        case death
        /// Those, and any for which the program has a handler: close(2).
        case anySignal
    }

    private struct Waiting {
        weak var reply: DeferredReply?
        var thread: CallingThread
        var cause: Cause
        /// While this is false libfuse may still be in ``register(_:_:_:)``.
        var isRegistered = false
        var wasInterrupted = false
    }

    private struct State {
        var waiting: [UInt: Waiting] = [:]
        var last: UInt = 0
    }

    private let state = Lock(State())
    /// Numbers of requests that INTERRUPT has come for.
    private let interrupted = BlockingQueue<UInt>()
    private let threads = ThreadGroup()

    func start() {
        threads.start("interrupt") { [self] in
            while let number = interrupted.take() { interrupt(number) }
        }
    }

    func stop() {
        interrupted.close()
        threads.wait(for: "interrupt")
    }

    /// Lets a request be interrupted from now on.
    ///
    /// - Parameters:
    ///   - raw: Not answered before this returns, except by this object.
    ///   - thread: Waits for the answer.
    /// - Returns: What ``remove(_:)`` takes.
    func register(
        _ raw: RawRequest, _ reply: DeferredReply, _ thread: CallingThread, _ cause: Cause
    ) -> UInt {
        let number = state.withLock { state -> UInt in
            state.last += 1
            state.waiting[state.last] = Waiting(reply: reply, thread: thread, cause: cause)
            return state.last
        }
        // The function is called within this call when INTERRUPT has come already.
        fuse_req_interrupt_func(
            raw.pointer,
            { request, number in
                guard let request else { return }
                fileSystem(request).interruptions.noteInterrupt(UInt(bitPattern: number))
            }, UnsafeMutableRawPointer(bitPattern: number))
        let wasInterrupted = state.withLock { state -> Bool in
            state.waiting[number]?.isRegistered = true
            return state.waiting[number]?.wasInterrupted ?? false
        }
        if wasInterrupted { noteInterrupt(number) }
        return number
    }

    private func noteInterrupt(_ number: UInt) { _ = interrupted.put(number) }

    /// The request is answered.
    func remove(_ number: UInt) { state.withLock { _ = $0.waiting.removeValue(forKey: number) } }

    private func interrupt(_ number: UInt) {
        let waiting = state.withLock { state -> Waiting? in
            guard state.waiting[number]?.isRegistered == true else {
                state.waiting[number]?.wasInterrupted = true
                return nil
            }
            return state.waiting[number]
        }
        guard let waiting, let reply = waiting.reply else { return }
        switch (waiting.thread.pendingSignal, waiting.cause) {
        case (.fatal, _), (.handled, .anySignal): reply.answer(.failure(Errno(EINTR)))
        case (.handled, .death), (.harmless, _): break
        }
    }
}
