import System

/// Nanoseconds of the machine's monotonic clock; ``Archive/clock`` is the one that tests can move.
public func monotonicNow() -> Int64 { SystemClock().now }
