#if PTHREAD_LOCKS
    import Glibc
#else
    import Synchronization
#endif

/// A value that one thread at a time can reach.
///
/// It is `Synchronization.Mutex`, except in builds for the thread sanitizer, which cannot see
/// that one's futex calls and would report every locked access as a race: there it is a POSIX
/// mutex (`-D PTHREAD_LOCKS`, set by `Scripts/test --sanitize thread`).
///
/// Never wait for a disk, another thread or the kernel's answer while holding one.
public struct Lock<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    // @unchecked: the value is reached inside `withLock` only, which excludes other threads, and
    // goes in and out as `sending`.

    #if PTHREAD_LOCKS
        @usableFromInline let mutex: UnsafeMutablePointer<pthread_mutex_t>
        @usableFromInline let value: UnsafeMutablePointer<Value>

        @inlinable
        public init(_ value: consuming sending Value) {
            mutex = .allocate(capacity: 1)
            mutex.initialize(to: pthread_mutex_t())
            pthread_mutex_init(mutex, nil)
            self.value = .allocate(capacity: 1)
            self.value.initialize(to: value)
        }

        @inlinable
        deinit {
            value.deinitialize(count: 1)
            value.deallocate()
            pthread_mutex_destroy(mutex)
            mutex.deallocate()
        }

        /// Calls `body` with the value while no other thread can reach it.
        @inlinable
        public borrowing func withLock<R: ~Copyable, E: Error>(
            _ body: (inout sending Value) throws(E) -> sending R
        ) throws(E) -> sending R {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return try body(&value.pointee)
        }
    #else
        @usableFromInline let mutex: Mutex<Value>

        @inlinable
        public init(_ value: consuming sending Value) { mutex = Mutex(value) }

        /// Calls `body` with the value while no other thread can reach it.
        @inlinable
        @inline(__always)
        public borrowing func withLock<R: ~Copyable, E: Error>(
            _ body: (inout sending Value) throws(E) -> sending R
        ) throws(E) -> sending R {
            try mutex.withLock(body)
        }
    #endif
}
