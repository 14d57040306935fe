import Foundation
import Logging
import Storage
import System
import TagIndex

/// Reads the copies on one volume and heals bad ones; used by one thread.
///
/// Each of the 256 folders is recorded when it has been read, so that a scrub that is
/// interrupted goes on there.
final class VolumeScrub {
    private let core: ArchiveCore
    private let images: ImageReader
    private let volume: Volume
    private let options: BlobScan.Options
    private let shouldStop: @Sendable () -> Bool
    private var counts: [UInt8: FolderCounts] = [:]
    /// Files with proper names that nobody expected, to be looked up when their folder is done.
    private var unexpected: [UInt8: [(ExpectedBlob, BlobFault?)]] = [:]
    private var done: [LedgerEvent] = []
    /// When the last record was written, ns of the archive's clock.
    private var recorded: Int64
    private(set) var result: ScrubReport.Volume
    /// Called after each copy that was read.
    private let tell: (ScrubReport.Volume) -> Void

    private struct FolderCounts {
        var files: Int64 = 0
        var bytes: Int64 = 0
        var bad: Int64 = 0
    }

    /// The volume has gone.
    private struct Gone: Error {}

    init(
        _ volume: Volume, of core: ArchiveCore, _ images: ImageReader, _ options: BlobScan.Options,
        shouldStop: @escaping @Sendable () -> Bool, tell: @escaping (ScrubReport.Volume) -> Void
    ) {
        self.volume = volume
        (self.core, self.images) = (core, images)
        recorded = core.clock.now
        self.options = options
        self.shouldStop = shouldStop
        self.tell = tell
        result = ScrubReport.Volume(ordinal: volume.identity.ordinal, path: volume.path)
    }

    private var ordinal: Int { volume.identity.ordinal }

    /// Reads folders, in this order.
    ///
    /// - Parameter report: Gets the images that could not be healed, and files that are not images.
    /// - Throws: The errors of the index.
    func run(_ folders: [UInt8], into report: inout ScrubReport) throws {
        var strays: [ScrubReport.Stray] = []
        var unhealed: [(Digest, isLost: Bool)] = []
        do {
            let end = try volume.scan(options).run(
                folders, expecting: { try expected(in: $0) }, shouldStop: shouldStop,
                completed: { folder in
                    try settle(folder, &strays)
                    complete(folder)
                },
                report: { finding in
                    switch finding {
                    case .good(let blob): count(blob)
                    case .bad(let blob, let fault):
                        count(blob)
                        if let loss = try heal(blob, fault) { unhealed.append((blob.digest, loss)) }
                    case .unexpected(let blob, let fault):
                        unexpected[blob.digest.bytes[0], default: []].append((blob, fault))
                    case .foreign(let path, let reason):
                        strays.append(
                            .init(
                                file: "\(volume.path)/blobs/\(path)",
                                reason: "It is not an image of the archive: \(reason)."))
                    }
                })
            result.complete = end == .complete && result.problem == nil
            if end == .stopped {
                result.problem = "It was interrupted; the next scrub goes on here."
            }
        } catch is Gone {
            result.problem = "The volume is not there any more; the next scrub goes on here."
        } catch let error as StorageError {
            core.volumes.suspect(volume, error)
            result.problem = "\(error)"
        }
        record()
        for stray in strays {
            core.log.warning("\(stray.file): \(stray.reason)")
            report.add(stray)
        }
        for (digest, isLost) in unhealed {
            report.unhealed.append(digest.hex)
            if isLost { report.lost.append(digest.hex) }
        }
    }

    /// The blobs that should be in a folder, in the order of their digests.
    private func expected(in folder: UInt8) throws -> [ExpectedBlob] {
        let page = 10_000
        var blobs: [ExpectedBlob] = []
        var last: [UInt8] = []
        while true {
            let rows = try core.index.read {
                try $0.expected(in: folder, on: ordinal, after: last, limit: page)
            }
            for row in rows {
                guard let digest = Digest(bytes: row.sha256) else { continue }
                blobs.append(ExpectedBlob(digest: digest, bytes: row.bytes))
            }
            guard rows.count == page, let end = rows.last else { return blobs }
            last = end.sha256
        }
    }

    private func count(_ blob: ExpectedBlob) {
        let folder = blob.digest.bytes[0]
        counts[folder, default: FolderCounts()].files += 1
        counts[folder, default: FolderCounts()].bytes += blob.bytes
        result.files += 1
        result.bytes += blob.bytes
        tell(result)
    }

    // MARK: Bad copies

    /// - Returns: `nil` when the copy is good now; otherwise whether no good one is left anywhere.
    private func heal(_ blob: ExpectedBlob, _ fault: BlobFault) throws -> Bool? {
        let problem = CopyProblem(fault)
        if problem == .missing || problem == .unreadable {
            core.volumes.suspect(
                volume,
                StorageError(
                    problem == .missing ? .notFound : .io, "a copy is \(problem.rawValue)",
                    path: volume.path, remedy: ""))
        }
        guard core.volumes[ordinal] === volume else { throw Gone() }
        guard let id = try core.index.read({ try $0.instance(sha256: blob.digest.bytes) }),
            let image = try core.index.read({ try $0.copies(of: id) }),
            image.volumes.contains(ordinal)
        else { return nil }
        let outcome = images.heal(image, bad: [BadCopy(volume: volume, problem: problem)])
        // A reader has healed it already.
        if outcome.healed.isEmpty, outcome.left.isEmpty { return nil }
        counts[blob.digest.bytes[0], default: FolderCounts()].bad += 1
        result.bad += 1
        result.healed += Int64(outcome.healed.count)
        return outcome.left.isEmpty ? nil : !outcome.hasGoodCopy
    }

    // MARK: Files that nobody expected

    /// Finds out whether they have been archived meanwhile.
    private func settle(_ folder: UInt8, _ strays: inout [ScrubReport.Stray]) throws {
        for (blob, fault) in unexpected.removeValue(forKey: folder) ?? [] where fault != .missing {
            // Before the index is asked: the name in staging goes when the record is there.
            let isUnderWay = try volume.isStaged(blob.digest)
            let id = try core.index.read { try $0.instance(sha256: blob.digest.bytes) }
            if let id, try core.index.read({ try $0.verified(id, on: ordinal) }) != nil {
                continue
            }
            if isUnderWay { continue }
            if id != nil, fault == nil {
                done.append(.copies([blob.digest], on: ordinal))
                result.adopted += 1
                continue
            }
            let file = "\(volume.path)/\(volume.blobPath(blob.digest))"
            strays.append(
                .init(
                    file: file,
                    reason: fault == nil
                        ? """
                        No record knows this image. If it belongs here, import it again; it is \
                        left where it is.
                        """
                        : """
                        No record says that this image is here, and its content is not what \
                        its name says.
                        """
                ))
        }
    }

    // MARK: Recording

    private func complete(_ folder: UInt8) {
        let counts = counts.removeValue(forKey: folder) ?? FolderCounts()
        done.append(
            .scrub(
                on: ordinal, folder: folder, files: counts.files, bytes: counts.bytes,
                bad: counts.bad))
        // Each record is made durable on all volumes; small folders come together.
        if done.count >= 64 || core.clock.now - recorded > 5_000_000_000 { record() }
    }

    /// Folders that cannot be recorded are read again by the next scrub.
    private func record() {
        defer { recorded = core.clock.now }
        guard !done.isEmpty else { return }
        do {
            try core.catalogue.record(done)
            try noteWell()
        } catch {
            result.complete = false
            result.problem = "That it was read could not be recorded: \(error)"
            core.log.error(
                "That images of \(volume.path) were read could not be recorded: \(error)")
        }
        done = []
    }

    /// Forgets the errors of the volume when every folder has been read since the last one, and
    /// was good.
    private func noteWell() throws {
        let (scrubs, volumes) = try core.index.read { try ($0.scrubs(of: ordinal), $0.volumes()) }
        guard scrubs.count == 256, scrubs.values.allSatisfy({ $0.errors == 0 }),
            let volume = volumes.first(where: { $0.ordinal == ordinal }),
            volume.errors > 0 || volume.state == .failing,
            volume.state == .active || volume.state == .failing
        else { return }
        try core.catalogue.record([.well(ordinal)])
        try core.adoptVolumeRecords()
    }
}
