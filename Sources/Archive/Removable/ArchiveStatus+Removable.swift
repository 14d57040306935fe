import Storage

extension ArchiveStatus.Removable {
    /// Whether it lacks images, and was not here for two months.
    func isOld(at now: Timestamp) -> Bool {
        guard missing > 0, let complete else { return false }
        return now.nanoseconds - complete.nanoseconds > 60 * 86_400_000_000_000
    }
}
