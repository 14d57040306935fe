import Foundation

/// Waits until `condition` holds, for events in another process or thread that cannot be waited for
/// otherwise.
///
/// - Parameter seconds: When to give up.
/// - Returns: Whether it did hold.
public func eventually(within seconds: Double = 30, _ condition: () throws -> Bool) rethrows -> Bool
{
    let end = ProgramRun.now() + seconds
    while ProgramRun.now() < end {
        if try condition() { return true }
        usleep(5_000)
    }
    return try condition()
}
