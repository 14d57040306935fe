import Storage

// Where `/incoming` lies: on a volume that can take what the archive can take.
extension VolumeSet {
    /// Puts `/incoming` on another volume when its own has much less room than the copies of a file
    /// could have on others; back and forth does not happen, because volumes fill evenly.
    ///
    /// - Parameter copies: How many copies of each image are wanted.
    /// - Returns: Whether it has moved.
    @discardableResult
    func followRoom(copies: Int) -> Bool {
        let staging = staging
        let active = members.filter { !$0.isReadOnly && $0.state == .active }.compactMap(\.volume)
        let room = active.map { (volume: $0, free: (try? $0.freeSpace()) ?? 0) }
            .sorted { $0.free > $1.free }
        guard let most = room.first, most.volume !== staging,
            let own = room.first(where: { $0.volume === staging })?.free
        else { return false }
        // The largest file that fits as often as it is to be kept.
        let largest = room[min(copies, room.count) - 1].free
        guard own < largest / 4 * 3 else { return false }
        return state.withLock { state in
            guard state.staging === staging,
                state.members.contains(where: {
                    $0.volume === most.volume && !$0.isReadOnly && $0.state == .active
                })
            else { return false }
            state.staging = most.volume
            return true
        }
    }
}
