import Foundation
import Storage
import System
import TagIndex

/// Reads all copies, heals bad ones and records what was found: when somebody asks for it, and by
/// a schedule.
final class Scrubs: Sendable {
    let core: ArchiveCore
    let images: ImageReader
    let turn = ScrubTurn()
    let loop: BackgroundLoop

    init(_ core: ArchiveCore, images: ImageReader) {
        (self.core, self.images) = (core, images)
        loop = BackgroundLoop("scrub", clock: core.clock)
    }

    /// Ends all scrubs, and waits for them.
    func stop() {
        loop.stop()
        turn.close()
        loop.stopAndWait()
    }

    /// Reads all copies on volumes now: see ``Archive/scrub(_:rate:shouldStop:progress:)``.
    func scrub(
        _ names: [String], rate: Int64?, shouldStop: @escaping @Sendable () -> Bool,
        progress: (ScrubProgress) -> Void
    ) throws -> ScrubReport {
        try turn.asked {
            let turn = turn
            return try scrub(
                named: names, rate: rate, shouldStop: { turn.isClosed || shouldStop() },
                progress: progress)
        }
    }

    private func scrub(
        named names: [String], rate: Int64?, shouldStop: @escaping @Sendable () -> Bool,
        progress: (ScrubProgress) -> Void
    ) throws -> ScrubReport {
        let members = try scrubbed(names)
        let options = BlobScan.Options(
            threads: Self.scrubThreads,
            pace: rate.map { Pace(bytesPerSecond: $0, clock: core.clock) }, isIdle: false)
        let pass = ScrubPass(archive: core.path, clock: core.clock)
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
            let times = try core.index.read { try $0.scrubs(of: member.ordinal) }
            let left = Self.oldestFirst(times).filter { times[$0]?.time ?? 0 < started }
            let before = state
            let result = try withoutActuallyEscaping(progress) { progress in
                let scrub = VolumeScrub(volume, of: core, images, options, shouldStop: shouldStop) {
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

    /// Adds images that an earlier scrub found without a good copy: nothing is left of them that
    /// this one could read.
    private func addLost(to report: inout ScrubReport) throws {
        var last: (copies: Int, id: Int64) = (-1, 0)
        while report.lost.count < ScrubReport.limit {
            let images = try core.index.read { reader in
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

    /// The folders in the order in which they were read last; those that never were come first.
    static func oldestFirst(_ times: [UInt8: (time: Int64, errors: Int64)]) -> [UInt8] {
        BlobScan.allFolders.sorted { (times[$0]?.time ?? 0, $0) < (times[$1]?.time ?? 0, $1) }
    }

    private func scrubbed(_ names: [String]) throws -> [VolumeSet.Member] {
        let members = core.volumes.members
        if names.isEmpty { return members }
        return try names.map { try VolumeSet.member($0, of: members) }
    }

    /// About how many bytes a volume holds.
    private func bytes(on ordinal: Int) throws -> Int64 {
        let (totals, blobs) = try core.index.read { try ($0.totals(), $0.blobs(on: ordinal)) }
        guard totals.instances > 0 else { return 0 }
        return Int64(Double(totals.bytes) * Double(blobs) / Double(totals.instances))
    }
}
