/// How long something that fails again and again rests: 1, 2, 4, … 60 minutes.
enum GrowingPause {
    /// ns.
    static let longest = 60 * minute
    private static let minute: Int64 = 60_000_000_000

    /// - Parameter failures: How often it has failed in a row, from 1.
    /// - Returns: ns.
    static func after(_ failures: Int) -> Int64 {
        min(longest, minute << Int64(min(failures - 1, 6)))
    }
}
