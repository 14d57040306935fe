import Foundation
import Storage

extension ArchiveStatus {
    /// What documents of it say, where there is no more news than in an earlier one: that. News is
    /// everything that they show, with these exceptions:
    ///
    /// - free space, until a quarter of it has come or gone: it changes with everything that any
    ///   program writes to the disks
    /// - the head of the ledger, which grows with each folder that is scrubbed
    /// - the time, until the next day begins
    ///
    /// - Parameter earlier: What was shown last.
    /// - Returns: `earlier` in all that it shows, if there is no news.
    public func shown(after earlier: ArchiveStatus?) -> ArchiveStatus {
        var status = self
        // Not shown, or said by the headline and the reasons.
        (status.views, status.refusals, status.indexRebuilt) = ([], [], nil)
        (status.readMode, status.incoming.unpacking) = (nil, [])
        (status.alerts.pinged, status.alerts.pingProblem) = (nil, nil)
        for index in status.remotes.indices { status.remotes[index].keepShown() }
        guard let earlier else { return status }
        var known = status
        known.keepFreeSpace(of: earlier)
        known.ledger = earlier.ledger
        if known.time.date == earlier.time.date { known.time = earlier.time }
        return known.isEqual(to: earlier) ? earlier : status
    }

    private mutating func keepFreeSpace(of earlier: ArchiveStatus) {
        for index in volumes.indices where index < earlier.volumes.count {
            Self.keep(earlier.volumes[index].free, in: &volumes[index].free)
        }
        Self.keep(earlier.freeSpace.bytes, in: &freeSpace.bytes)
        if var days = freeSpace.daysLeft, let before = earlier.freeSpace.daysLeft {
            Self.keep(before, in: &days)
            freeSpace.daysLeft = days
        }
        if var free = archiveFree, let before = earlier.archiveFree {
            Self.keep(before, in: &free)
            archiveFree = free
        }
    }

    /// Puts back a value that has changed little.
    private static func keep(_ earlier: Int64, in value: inout Int64) {
        if (value - earlier).magnitude <= max(value, earlier).magnitude / 4 { value = earlier }
    }

    private func isEqual(to other: ArchiveStatus) -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let one = try? encoder.encode(self) else { return false }
        return one == (try? encoder.encode(other))
    }
}

extension ArchiveStatus.Remote {
    /// Takes away what documents do not show; of ages, the minutes.
    fileprivate mutating func keepShown() {
        if state != .pausing, state != .blocked { reason = nil }
        (state, timeLeft, lastPush) = (.waiting, nil, nil)
        oldestWaiting = oldestWaiting.map { $0 / 3600 * 3600 }
    }
}
