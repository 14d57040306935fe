import Glibc

/// A value that one thread at a time can reach, and threads that wait until it suits them.
///
/// See: 'man 3 pthread_cond_wait'
public final class Monitor<State>: @unchecked Sendable {
    // @unchecked: `state` is touched only while `mutex` is locked.

    /// Which of the waiting threads look at the state again.
    public enum Waking: Sendable {
        case none, one, all
    }

    @usableFromInline let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    @usableFromInline let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    @usableFromInline var state: State

    public init(_ state: sending State) {
        self.state = state
        mutex.initialize(to: pthread_mutex_t())
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Deadlines do not move when somebody sets the clock.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        condition.initialize(to: pthread_cond_t())
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Calls `body` with the state while no other thread can reach it.
    ///
    /// - Parameter waking: Which waiting threads look again afterwards.
    @inlinable
    public func withLock<R, E: Error>(
        waking: Waking = .none, _ body: (inout State) throws(E) -> R
    ) throws(E) -> R {
        pthread_mutex_lock(mutex)
        defer {
            pthread_mutex_unlock(mutex)
            wake(waking)
        }
        return try body(&state)
    }

    /// To be called without the lock: a thread that is woken while it is held only waits again.
    @usableFromInline func wake(_ waking: Waking) {
        switch waking {
        case .none: break
        case .one: pthread_cond_signal(condition)
        case .all: pthread_cond_broadcast(condition)
        }
    }

    /// Waits until `body` returns something. It is called at once, and again whenever the thread
    /// is woken, with no other thread in the state.
    ///
    /// - Parameter waking: Which other waiting threads look again afterwards.
    @inlinable
    public func wait<R>(waking: Waking = .none, for body: (inout State) -> R?) -> R {
        while true {
            if let result = wait(until: .max, waking: waking, for: body) { return result }
        }
    }

    /// Waits until `body` returns something, or until a moment.
    ///
    /// - Parameters:
    ///   - deadline: Nanoseconds of `CLOCK_MONOTONIC`; `.max` for none.
    ///   - waking: Which other waiting threads look again afterwards.
    /// - Returns: `nil` when the moment came first.
    @inlinable
    public func wait<R>(
        until deadline: Int64, waking: Waking = .none, for body: (inout State) -> R?
    ) -> R? {
        pthread_mutex_lock(mutex)
        while true {
            if let result = body(&state) {
                pthread_mutex_unlock(mutex)
                wake(waking)
                return result
            }
            if isWoken(until: deadline) { continue }
            defer { pthread_mutex_unlock(mutex) }
            return body(&state)
        }
    }

    /// - Returns: False when the moment has come.
    @usableFromInline func isWoken(until deadline: Int64) -> Bool {
        DiskWork.waiting {
            if deadline == .max {
                pthread_cond_wait(condition, mutex)
                return true
            }
            var time = timespec(
                tv_sec: Int(max(deadline, 0) / 1_000_000_000),
                tv_nsec: Int(max(deadline, 0) % 1_000_000_000))
            return pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
        }
    }
}
