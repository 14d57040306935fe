import Glibc

/// Something that a thread does and that others can give up waiting for, see ``DiskPatience``.
public final class DiskWork: Sendable {
    /// A call on a disk, or a set of them of which each shows that it goes on.
    struct Call {
        let disk: DiskCalls
        /// Another disk that it reads.
        let source: DiskCalls?
        /// Whether it may be made on a disk that was given up.
        let isLastTry: Bool
        /// When it last showed that it goes on, ns of ``DiskPatience/now``.
        var since: Int64
    }

    private struct State {
        /// The innermost last; `nil` while the thread waits for another one.
        var calls: [Call?] = []
        var isAbandoned = false
        var hasEnded = false
        /// The disk for which it was abandoned.
        var lostTo: DiskCalls?
        var parent: DiskWork?
        var attachment: (any AnyObject & Sendable)?

        mutating func goesOn(at now: Int64) {
            guard let last = calls.indices.last else { return }
            calls[last]?.since = now
        }
    }

    private let patience: DiskPatience
    private let onAbandon: @Sendable () -> Void
    private let state = Lock(State())

    /// - Parameter onAbandon: Called at most once, by the thread that watches, when a disk that it
    ///   uses was given up; waits for nothing.
    public init(_ patience: DiskPatience, onAbandon: @escaping @Sendable () -> Void) {
        (self.patience, self.onAbandon) = (patience, onAbandon)
    }

    public var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    /// What whoever takes over needs.
    public var attachment: (any AnyObject & Sendable)? {
        get { state.withLock { $0.attachment } }
        set { state.withLock { $0.attachment = newValue } }
    }

    /// Calls `body` on this thread as this work. If it is part of another, that is abandoned with
    /// it.
    public func perform<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
        let outer = Self.current
        state.withLock { $0.parent = outer }
        patience.add(self)
        Self.current = self
        defer {
            Self.current = outer
            patience.remove(self)
            let disk = state.withLock { state in
                state.hasEnded = true
                state.parent = nil
                return state.lostTo
            }
            disk?.workReturned()
        }
        return try body()
    }

    // MARK: Calls

    /// Calls `body`, which is a call on a disk.
    func during<R, Failure: Error>(
        _ disk: DiskCalls, reading source: DiskCalls?, isLastTry: Bool,
        _ body: () throws(Failure) -> R
    ) throws(Failure) -> R {
        let call = Call(
            disk: disk, source: source, isLastTry: isLastTry, since: patience.now)
        state.withLock { $0.calls.append(call) }
        defer { end() }
        return try body()
    }

    private func end() {
        state.withLock { state in
            state.calls.removeLast()
            state.goesOn(at: patience.now)
        }
    }

    /// The innermost call; `nil` when there is none.
    var call: Call? { state.withLock { $0.calls.last ?? nil } }

    func abandonIfHopeless(at time: Int64, _ limit: Int64) {
        let disk = state.withLock { state -> DiskCalls? in
            guard !state.isAbandoned, !state.hasEnded else { return nil }
            var lost = state.calls.lazy.compactMap { $0 }.first {
                !$0.isLastTry && $0.disk.hasGivenUp
            }?.disk
            // A disk that was given up may be read a last time, as long as it answers.
            if lost == nil, let call = state.calls.last ?? nil, time - call.since >= limit {
                lost = call.disk.hasGivenUp ? call.disk : call.source
                if lost?.hasGivenUp != true { lost = nil }
            }
            guard let lost else { return nil }
            state.isAbandoned = true
            state.lostTo = lost
            lost.workIsLost()
            return lost
        }
        guard disk != nil else { return }
        onAbandon()
        state.withLock { $0.parent }?.abandonWithPart()
    }

    private func abandonWithPart() {
        let isNew = state.withLock { state in
            if state.isAbandoned || state.hasEnded { return false }
            state.isAbandoned = true
            return true
        }
        guard isNew else { return }
        onAbandon()
        state.withLock { $0.parent }?.abandonWithPart()
    }

    // MARK: Of this thread

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        pthread_key_create(&key, nil)
        return key
    }()

    /// What this thread does; `nil` when nobody can take it over.
    public private(set) static var current: DiskWork? {
        get {
            pthread_getspecific(key).map {
                Unmanaged<DiskWork>.fromOpaque($0).takeUnretainedValue()
            }
        }
        set {
            pthread_setspecific(key, newValue.map { Unmanaged.passUnretained($0).toOpaque() })
        }
    }

    /// Notes that the call this thread is in goes on: one of its system calls has returned.
    ///
    /// - Returns: False when nobody waits for it any more: nothing more is to be changed.
    @discardableResult
    public static func goesOn() -> Bool {
        guard let work = current else { return true }
        let now = work.patience.now
        return work.state.withLock { state in
            state.goesOn(at: now)
            return !state.isAbandoned
        }
    }

    /// Calls `body`, in which this thread waits for another one, and for no disk.
    static func waiting<R>(_ body: () -> R) -> R {
        guard let work = current else { return body() }
        work.state.withLock { $0.calls.append(nil) }
        defer { work.end() }
        return body()
    }

    /// Calls `body` so that this thread is never in a call on a disk, but waits for other threads
    /// that are: for what holds something that others need.
    public static func keptFree<R, Failure: Error>(
        _ body: () throws(Failure) -> R
    ) throws(Failure) -> R {
        guard let work = current else { return try body() }
        work.state.withLock { $0.calls.append(nil) }
        current = nil
        defer {
            current = work
            work.end()
        }
        return try body()
    }
}
