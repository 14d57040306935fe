import Logging
import Storage
import System
import TagIndex

// The schedule: everything is read once in so many days, one folder after the other, spread over
// that time, while the reads of others go first.
//
// Of the 256 folders of a volume one is due every 256th of the time. Folders that were not read
// for longer than the whole time, because nothing ran meanwhile, are due at once.
extension Scrubs {
    /// Between two looks, ns. The first look comes as late: a clinic's day may begin with
    /// starting the machine.
    private static let pause: Int64 = 60_000_000_000

    /// Works in the background until ``stop()``.
    func start() throws(Errno) {
        try loop.start(first: .after(Self.pause)) { [self] in
            do { try scrubDueFolders(at: core.clock.utc) } catch {
                core.log.error("The scrub could not go on: \(error)")
            }
            return .after(Self.pause)
        }
    }

    /// Scrubs the folders that are due.
    ///
    /// - Parameter now: The time, ns since 1970.
    func scrubDueFolders(at now: Int64) throws {
        let settings = core.settings
        guard settings.scrubDays > 0 else { return }
        for member in core.volumes.members where member.state != .retiring {
            guard let volume = member.volume else { continue }
            let due = try Self.due(
                core.index.read { try $0.scrubs(of: member.ordinal) }, days: settings.scrubDays,
                now: now)
            guard !due.isEmpty else { continue }
            let options = BlobScan.Options(
                threads: 1,
                pace: settings.scrubRate.map { Pace(bytesPerSecond: $0, clock: core.clock) },
                isIdle: true)
            try turn.unasked {
                let (loop, turn) = (loop, turn)
                var report = ScrubReport()
                let scrub = VolumeScrub(
                    volume, of: core, images, options,
                    shouldStop: { loop.isStopping || turn.isAskedFor || turn.isClosed },
                    tell: { _ in })
                try scrub.run(due, into: &report)
                if scrub.result.bad > 0 {
                    core.log.error(
                        """
                        The scrub of \(volume.path) found \(scrub.result.bad) bad copies and \
                        healed \(scrub.result.healed).
                        """
                    )
                }
            }
        }
    }

    /// - Parameters:
    ///   - times: When each folder was read last, ns since 1970.
    ///   - now: The time, ns since 1970.
    /// - Returns: The folders to be read now.
    static func due(_ times: [UInt8: (time: Int64, errors: Int64)], days: Double, now: Int64)
        -> [UInt8]
    {
        let whole = Int64(days * 86_400e9)
        let overdue = oldestFirst(times).filter { folder in
            times[folder].map { now - $0.time > whole } ?? false
        }
        if !overdue.isEmpty { return overdue }
        let latest = times.values.map(\.time).max() ?? 0
        guard now - latest >= whole / 256, let oldest = oldestFirst(times).first else {
            return []
        }
        return [oldest]
    }
}
