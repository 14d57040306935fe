import Glibc

/// Time as pacsfs sees it; tests have one that they move by hand.
public protocol MonotonicClock: Sendable {
    /// Nanoseconds since some moment; never goes back.
    var now: Int64 { get }

    /// UTC, nanoseconds since 1970. May jump when somebody sets the machine's clock.
    var utc: Int64 { get }

    /// Whether waiting makes time pass. If not, ``onAdvance(_:)`` says when it has.
    var passesByItself: Bool { get }

    /// Registers an action to be called each time a hand has moved the clock.
    func onAdvance(_ action: @escaping @Sendable () -> Void)
}

/// The machine's clocks.
///
/// See: 'man 2 clock_gettime'
public struct SystemClock: MonotonicClock {
    public init() {}

    public var now: Int64 { Self.read(CLOCK_MONOTONIC) }

    public var utc: Int64 { Self.read(CLOCK_REALTIME) }

    public var passesByItself: Bool { true }

    public func onAdvance(_ action: @escaping @Sendable () -> Void) {}

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
