/// How long something that fails again and again rests: 1, 2, 4, … 60 minutes, or from another
/// first pause on.
enum GrowingPause {
    /// ns.
    static let longest = 60 * minute
    private static let minute: Int64 = 60_000_000_000

    /// - Parameters:
    ///   - failures: How often it has failed in a row, from 1.
    ///   - first: The pause after the first time, ns; a second or more.
    /// - Returns: ns.
    static func after(_ failures: Int, first: Int64 = minute) -> Int64 {
        min(longest, first << Int64(min(failures - 1, 12)))
    }
}
