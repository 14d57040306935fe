import CFuse3
import Glibc
import System

/// An answer that is given later, from any thread, and exactly once: what comes second, of an
/// answer and an interruption, does nothing. Dropped without an answer it becomes EIO.
final class DeferredReply: Sendable {
    private enum Receiver: Sendable {
        case kernel(RawRequest)
        /// Takes an error number or 0.
        case function(@Sendable (Int32) -> Void)
    }

    private struct State {
        /// `nil` once it is answered.
        var receiver: Receiver?
        /// Where it can be interrupted, and its number there.
        var registration: (Interruptions, number: UInt)?
    }

    private let state: Lock<State>

    init(_ request: RawRequest) { state = Lock(State(receiver: .kernel(request))) }

    /// - Parameter send: Takes an error number or 0, from any thread.
    init(_ send: @escaping @Sendable (Int32) -> Void) {
        state = Lock(State(receiver: .function(send)))
    }

    deinit {
        guard let receiver = takeReceiver() else { return }
        // A fault of the daemon. Standard error is its log.
        let line = Array("A request was answered with EIO because nobody else answered it.\n".utf8)
        _ = Glibc.write(STDERR_FILENO, line, line.count)
        Self.send(EIO, to: receiver)
    }

    /// From now on a signal may be answered with EINTR. To be called before another thread may
    /// answer.
    ///
    /// - Parameter thread: Waits for the answer.
    func allowInterruption(of thread: CallingThread, by cause: Interruptions.Cause) {
        guard case .kernel(let request) = state.withLock({ $0.receiver }) else { return }
        let interruptions = fileSystem(request.pointer).interruptions
        let number = interruptions.register(request, self, thread, cause)
        let isAnswered = state.withLock { state in
            state.registration = (interruptions, number)
            return state.receiver == nil
        }
        if isAnswered { interruptions.remove(number) }
    }

    /// Whether it was not answered yet.
    var isAwaited: Bool { state.withLock { $0.receiver != nil } }

    /// Answers 0 or the error.
    func answer(_ result: Result<Void, Errno>) {
        guard let receiver = takeReceiver() else { return }
        switch result {
        case .success: Self.send(0, to: receiver)
        case .failure(let errno): Self.send(errno.code, to: receiver)
        }
    }

    /// The request, for an answer other than an error number.
    ///
    /// - Returns: `nil` when it is answered already.
    func take() -> Request? {
        guard case .kernel(let request) = takeReceiver() else { return nil }
        return Request(request.pointer)
    }

    private func takeReceiver() -> Receiver? {
        let (receiver, registration) = state.withLock { state in
            let found = (state.receiver, state.registration)
            state.receiver = nil
            return found
        }
        if receiver != nil, let (interruptions, number) = registration {
            interruptions.remove(number)
        }
        return receiver
    }

    private static func send(_ error: Int32, to receiver: Receiver) {
        switch receiver {
        case .kernel(let request): fuse_reply_err(request.pointer, error)
        case .function(let send): send(error)
        }
    }
}
