import Foundation
import Storage
import System
import TagIndex

/// Reads everything once in a number of days, one folder after another, spread over that time.
/// Other reads go first.
///
/// Of the 256 folders of a volume, one is due every 256th of the time. A folder that was not read
/// for longer than the whole time, because pacsfs was not running, is due at once.
final class ScrubSchedule: Sendable {
    private let isStopped = Lock(false)

    func stop() { isStopped.withLock { $0 = true } }

    /// Runs until ``stop()``; on a thread of its own.
    func run(_ archive: Archive) {
        // Not while a clinic's day begins with starting the machine.
        var next = Date.now.addingTimeInterval(60)
        while !isStopped.withLock({ $0 }) {
            Thread.sleep(forTimeInterval: 0.25)
            guard Date.now >= next else { continue }
            next = .now.addingTimeInterval(60)
            guard archive.settings.scrubDays > 0 else { continue }
            do { try look(archive) } catch {
                archive.log.error("The scrub could not go on: \(error)")
            }
        }
    }

    /// Scrubs the folders that are due.
    func look(_ archive: Archive, now: Int64 = Timestamp.now().nanoseconds) throws {
        for member in archive.volumes.members where member.state != .retiring {
            guard let volume = member.volume else { continue }
            let due = try Self.due(
                archive.index.read { try $0.scrubs(of: member.ordinal) },
                days: archive.settings.scrubDays, now: now)
            guard !due.isEmpty else { continue }
            let options = BlobScan.Options(
                threads: 1, pace: archive.settings.scrubRate.map { Pace(bytesPerSecond: $0) },
                isIdle: true)
            try archive.scrubTurn.unasked {
                let turn = archive.scrubTurn
                var report = ScrubReport()
                let scrub = VolumeScrub(
                    volume, of: archive, options,
                    shouldStop: { [self] in isStopped.withLock { $0 } || turn.isAskedFor },
                    tell: { _ in })
                try scrub.run(due, into: &report)
                if scrub.result.bad > 0 {
                    archive.log.error(
                        "The scrub of \(volume.path) found \(scrub.result.bad) bad copies and healed \(scrub.result.healed)."
                    )
                }
            }
        }
    }

    /// The folders to be read now.
    static func due(_ times: [UInt8: (time: Int64, errors: Int64)], days: Double, now: Int64)
        -> [UInt8]
    {
        let whole = Int64(days * 86_400e9)
        let overdue = Archive.oldestFirst(times).filter { folder in
            times[folder].map { now - $0.time > whole } ?? false
        }
        if !overdue.isEmpty { return overdue }
        let latest = times.values.map(\.time).max() ?? 0
        guard now - latest >= whole / 256, let oldest = Archive.oldestFirst(times).first else {
            return []
        }
        return [oldest]
    }
}
