import Foundation
import Offsite
import Storage
import System
import TagIndex

/// Brings the images of an open archive back from a source: those without any copy, of the newest
/// study first. Each copy is recorded as it is made, so that an interruption loses nothing.
struct Restoration {
    let core: ArchiveCore
    let rejected: RejectedFiles
    let source: any RestoreSource
    /// Whether rejected files are brought back too.
    var bringsRejected = true

    /// How many images, and how many bytes, are fetched and made durable together.
    private static let batch = (images: 256, bytes: Int64(128 << 20))
    /// Threads that hash and copy.
    private static let threads = min(4, ProcessInfo.processInfo.activeProcessorCount + 1)
    private static let listName = "lacking.txt"

    /// - Throws: Why nothing can be had from the source, or stored.
    func run(
        shouldStop: @escaping () -> Bool, progress: (RestoreProgress) -> Void
    ) throws -> RestoreReport {
        let start = ContinuousClock.now
        var report = RestoreReport(directory: core.path)
        var state = RestoreProgress()
        let all = try core.index.read { ($0, try $0.totals(), try $0.lackingImages()) }
        (state.totalImages, state.totalBytes) = (all.1.instances, all.2.bytes)
        report.present = all.1.instances - all.2.images
        state.images = report.present
        progress(state)
        try RestoreRoom.require(
            all.2.bytes, copies: core.settings.copies, on: core.volumes)
        defer { source.discard() }
        var lacking: [(Digest, String)] = []
        var wanted: [WantedImage] = []
        func bring() throws {
            if wanted.isEmpty { return }
            let batch = try restore(wanted, shouldStop)
            lacking += batch.problems
            report.restored += Int64(batch.done.count)
            report.bytes += batch.done.reduce(0) { $0 + $1.bytes }
            report.olderVersions += Int64(batch.versions)
            state.images += Int64(wanted.count)
            state.bytes += wanted.reduce(0) { $0 + $1.bytes }
            wanted = []
            progress(state)
        }
        for series in try core.index.read({ try $0.seriesNewestFirst() }) {
            for image in try core.index.read({
                try $0.wantedImages(inSeries: series, lacking: true)
            }) {
                wanted.append(image)
                let isFull = wanted.reduce(0) { $0 + $1.bytes } >= Self.batch.bytes
                if isFull || wanted.count >= Self.batch.images { try bring() }
                if shouldStop() { break }
            }
            if shouldStop() { break }
        }
        if !shouldStop() {
            try bring()
            if bringsRejected { report.rejected = try rejected.bring(from: source) }
            report.isComplete = true
        }
        report.lacking = Int64(lacking.count)
        try list(lacking, in: &report)
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    private struct Batch {
        /// Images that are on a volume now.
        var done: [WantedImage] = []
        /// What is wrong with the others.
        var problems: [(Digest, String)] = []
        /// How many of them came from older versions.
        var versions = 0
    }

    /// Brings some images back.
    private func restore(
        _ images: [WantedImage], _ shouldStop: @escaping () -> Bool
    ) throws -> Batch {
        let blobs = images.compactMap { image in
            Digest(bytes: image.sha256).map { StagedBlob(digest: $0, bytes: image.bytes) }
        }
        var staged: [Result<[Volume], any Error>]
        let versions: Int
        do {
            try source.fetch(blobs, shouldStop: shouldStop)
            staged = stage(blobs)
            versions = try stageVersions(of: blobs, &staged, shouldStop)
        } catch {
            // What was stopped has not failed.
            if shouldStop() { return Batch() }
            throw error
        }
        var round = CopyRound()
        var problems: [(Digest, String)] = []
        for (blob, outcome) in zip(blobs, staged) {
            switch outcome {
            case .success(let volumes): for volume in volumes { round.add(blob, on: volume) }
            case .failure(let error):
                // No room is not a fault of the source, and will not go away by going on.
                if (error as? StorageError)?.code == .noSpace { throw error }
                if (error as? StorageError)?.code == .tooFewVolumes { throw error }
                problems.append((blob.digest, "\(error)"))
            }
        }
        let stored = try round.commit(in: core)
        let done = zip(images, blobs).filter { stored.contains($1.digest) }.map(\.0)
        return Batch(done: done, problems: problems, versions: versions)
    }

    /// Stages older versions of blobs that were not to be had, or had other bytes.
    ///
    /// - Returns: How many there were.
    private func stageVersions(
        of blobs: [StagedBlob], _ staged: inout [Result<[Volume], any Error>],
        _ shouldStop: @escaping () -> Bool
    ) throws -> Int {
        var count = 0
        for number in 0..<RemoteVersions.most where !shouldStop() {
            let bad = staged.indices.filter { index in
                guard case .failure(let error) = staged[index] else { return false }
                let code = (error as? StorageError)?.code
                return code != .noSpace && code != .tooFewVolumes
            }
            let some = bad.map { blobs[$0] }
            guard try source.fetch(version: number, of: some, shouldStop: shouldStop) else {
                break
            }
            for (index, outcome) in zip(bad, stage(some)) {
                guard case .success = outcome else { continue }
                staged[index] = outcome
                count += 1
                core.log.notice(
                    """
                    The image \(blobs[index].digest.hex) was changed or deleted at \(source.name); \
                    an older version was restored.
                    """)
            }
        }
        return count
    }

    private func stage(_ blobs: [StagedBlob]) -> [Result<[Volume], any Error>] {
        let results = Lock<[Result<[Volume], any Error>]>(
            Array(repeating: .success([]), count: blobs.count))
        let threads = min(blobs.count, Self.threads)
        _ = onAll(Array(0..<threads)) { first in
            for index in stride(from: first, to: blobs.count, by: threads) {
                let result = Result { try stage(blobs[index]) }
                results.withLock { $0[index] = result }
            }
        }
        return results.withLock { $0 }
    }

    private func stage(_ blob: StagedBlob) throws -> [Volume] {
        let volumes = try core.volumes.choose(
            copies: core.settings.copies, minimum: 1, bytes: blob.bytes, holding: [],
            allowingFull: true)
        let file = try source.open(blob)
        for volume in volumes {
            try volume.stageCopy(
                from: file.number, as: blob.digest, bytes: blob.bytes, checking: true)
        }
        return volumes
    }

    /// Lists the images that could not be had, with their paths.
    private func list(
        _ lacking: [(digest: Digest, problem: String)], in report: inout RestoreReport
    ) throws {
        let file = "\(core.path)/\(Self.listName)"
        unlink(file)
        if lacking.isEmpty { return }
        var text = ""
        for (digest, problem) in lacking {
            let path = try core.index.read { reader in
                try reader.instance(sha256: digest.bytes).flatMap { try reader.details($0) }
            }?.paths.first?.joined(separator: "/")
            text += "\(digest.hex)  \(path ?? "")\n"
            if report.examples.count < RestoreReport.mostExamples {
                report.examples.append("\(path ?? digest.hex): \(problem)")
            }
        }
        try Data(text.utf8).write(to: URL(filePath: file))
        report.list = file
    }
}
