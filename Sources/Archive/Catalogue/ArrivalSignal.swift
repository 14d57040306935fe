import System

/// Tells others that something was recorded that they may want to bring away. They are called once,
/// and again only after they have looked: an ingest raises it for each of its batches.
final class ArrivalSignal: Sendable {
    private struct Listener {
        let call: @Sendable () -> Void
        var isCalled = false
    }

    private let listeners = Lock<[String: Listener]>([:])

    /// Calls `call` whenever the signal is raised; it returns at once, and takes no lock that is
    /// held while something is recorded.
    ///
    /// - Parameter name: Of the listener; another one of this name is replaced.
    func listen(_ name: String, _ call: @escaping @Sendable () -> Void) {
        listeners.withLock { $0[name] = Listener(call: call) }
    }

    func stopListening(_ name: String) { listeners.withLock { $0[name] = nil } }

    /// The listener looks now, and wants to be called for what comes from here on.
    func looked(_ name: String) { listeners.withLock { $0[name]?.isCalled = false } }

    func raise() {
        let calls = listeners.withLock { listeners in
            let waiting = listeners.filter { !$0.value.isCalled }
            for name in waiting.keys { listeners[name]?.isCalled = true }
            return waiting.values.map(\.call)
        }
        for call in calls { call() }
    }
}

extension LedgerEvent {
    /// Whether records of a kind are worth bringing away soon. The others go with those, or once a
    /// day: what a push records must not make pushes.
    static func isNews(_ kind: String) -> Bool {
        switch kind {
        case OffsiteEvent.kind, OffsiteCheckEvent.kind, OffsiteProofEvent.kind, WipeTestEvent.kind,
            ScrubEvent.kind:
            false
        default: true
        }
    }
}
