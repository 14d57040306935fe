import Foundation
import Storage
import System
import TagIndex

/// Only one scrub reads at a time; one that somebody asked for goes before the one that runs by
/// itself.
final class ScrubTurn: Sendable {
    private let turn = NSLock()
    private let asked = Lock(0)
    private let closed = Lock(false)

    /// Whether the archive is being closed: whatever reads stops.
    var isClosed: Bool { closed.withLock { $0 } }

    /// Ends scrubs that are under way and waits for them.
    func close() {
        closed.withLock { $0 = true }
        turn.lock()
        turn.unlock()
    }

    /// Whether somebody waits who asked for a scrub.
    var isAskedFor: Bool { asked.withLock { $0 > 0 } }

    func asked<R>(_ body: () throws -> R) rethrows -> R {
        asked.withLock { $0 += 1 }
        defer { asked.withLock { $0 -= 1 } }
        turn.lock()
        defer { turn.unlock() }
        return try body()
    }

    /// `nil` when somebody else has it.
    func unasked<R>(_ body: () throws -> R) rethrows -> R? {
        guard !isAskedFor, turn.try() else { return nil }
        defer { turn.unlock() }
        return try body()
    }
}

extension Archive {
    /// Reads all copies on volumes now, heals bad ones, and records the result. An interrupted
    /// scrub is continued.
    ///
    /// - Parameters:
    ///   - names: Paths or ordinals of volumes; none means all that are present.
    ///   - rate: Bytes per second; `nil` for no limit.
    ///   - shouldStop: Asked from any thread; after the first yes, reading ends.
    ///   - progress: Takes every copy that was read, on the calling thread.
    /// - Throws: ``ArchiveError`` when there is no such volume, or the ledger cannot be written.
    public func scrub(
        _ names: [String] = [], rate: Int64? = nil,
        shouldStop: @escaping @Sendable () -> Bool = { false },
        progress: (ScrubProgress) -> Void = { _ in }
    ) throws(ArchiveError) -> ScrubReport {
        try ArchiveError.from {
            try scrubTurn.asked {
                let turn = scrubTurn
                return try scrub(
                    named: names, rate: rate, shouldStop: { turn.isClosed || shouldStop() },
                    progress: progress)
            }
        }
    }

    private func scrub(
        named names: [String], rate: Int64?, shouldStop: @escaping @Sendable () -> Bool,
        progress: (ScrubProgress) -> Void
    ) throws -> ScrubReport {
        let members = try scrubbed(names)
        let options = BlobScan.Options(
            threads: Self.scrubThreads, pace: rate.map { Pace(bytesPerSecond: $0) }, isIdle: false)
        let pass = ScrubPass(archive: path)
        var report = ScrubReport()
        var state = ScrubProgress()
        state.totalBytes = try members.reduce(0) { try $0 + bytes(on: $1.ordinal) }
        for member in members {
            guard let volume = member.volume else {
                report.volumes.append(
                    .init(
                        ordinal: member.ordinal, path: member.place.path,
                        problem: "The volume is not there."))
                continue
            }
            let started = pass.begin(member.ordinal)
            let times = try index.read { try $0.scrubs(of: member.ordinal) }
            let left = Self.oldestFirst(times).filter { times[$0]?.time ?? 0 < started }
            let before = state
            let result = try withoutActuallyEscaping(progress) { progress in
                let scrub = VolumeScrub(volume, of: self, options, shouldStop: shouldStop) {
                    result in
                    state.files = before.files + result.files
                    state.bytes = before.bytes + result.bytes
                    state.bad = before.bad + result.bad
                    state.healed = before.healed + result.healed
                    progress(state)
                }
                try scrub.run(left, into: &report)
                return scrub.result
            }
            report.volumes.append(result)
            if result.complete { pass.end(member.ordinal) }
        }
        try addLost(to: &report)
        return report
    }

    /// Images that have no good copy since an earlier scrub, too: nothing is left of them to be
    /// read.
    private func addLost(to report: inout ScrubReport) throws {
        var last: (copies: Int, id: Int64) = (-1, 0)
        while report.lost.count < ScrubReport.limit {
            let images = try index.read { reader in
                try reader.underReplicated(below: 1, after: last, limit: 1000).map {
                    ($0, try reader.copies(of: $0.id))
                }
            }
            guard let end = images.last?.0 else { break }
            report.lost += images.compactMap { $0.1.flatMap { Digest(bytes: $0.sha256)?.hex } }
            last = end
        }
        report.lost = Set(report.lost).sorted()
        report.unhealed = Set(report.unhealed + report.lost).sorted()
    }

    /// More than there are cores: while some wait for the disk, others hash.
    static var scrubThreads: Int { min(16, ProcessInfo.processInfo.activeProcessorCount + 2) }

    /// Folders that were never read come first.
    static func oldestFirst(_ times: [UInt8: (time: Int64, errors: Int64)]) -> [UInt8] {
        BlobScan.allFolders.sorted { (times[$0]?.time ?? 0, $0) < (times[$1]?.time ?? 0, $1) }
    }

    private func scrubbed(_ names: [String]) throws -> [VolumeSet.Member] {
        let members = volumes.members
        if names.isEmpty { return members }
        return try names.map { try VolumeSet.member($0, of: members) }
    }

    /// About how many bytes a volume holds.
    private func bytes(on ordinal: Int) throws -> Int64 {
        let (totals, blobs) = try index.read { try ($0.totals(), $0.blobs(on: ordinal)) }
        guard totals.instances > 0 else { return 0 }
        return Int64(Double(totals.bytes) * Double(blobs) / Double(totals.instances))
    }
}
