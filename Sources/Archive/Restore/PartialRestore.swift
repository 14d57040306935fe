import Foundation
import Storage
import System
import TagIndex

/// Brings some images back into a plain folder, without an archive: under the paths that the first
/// view shows. Images that have no path there get the one that they have in another view, below a
/// folder with the name of that.
///
/// ```
/// DIR/.pacsfs-restore/    a copy of the ledger and an index, removed at the end
/// ```
public struct PartialRestore: Sendable {
    /// A volume, or a folder that was fetched from an off-site copy; absolute.
    public var source: String
    /// The folder; made when it is not there.
    public var folder: String
    public var selection: RestoreSelection
    /// A head of the ledger that a person has kept: an older ledger is refused.
    public var head: Verification.Head?

    private static let scratchName = ".pacsfs-restore"

    public init(
        source: String, folder: String, selection: RestoreSelection,
        head: Verification.Head? = nil
    ) {
        (self.source, self.folder) = (source, folder)
        (self.selection, self.head) = (selection, head)
    }

    private struct Image {
        var digest: Digest
        var details: ImageDetails
        var path: [String]
    }

    /// - Parameters:
    ///   - shouldStop: Asked before each image.
    ///   - progress: Called after each image, on the calling thread.
    /// - Throws: ``ArchiveError``: the ledger is damaged or was changed, or the folder cannot be
    ///   written.
    public func run(
        shouldStop: () -> Bool = { false }, progress: (RestoreProgress) -> Void
    ) throws(ArchiveError) -> RestoreReport {
        try ArchiveError.from {
            let scratch = "\(folder)/\(Self.scratchName)"
            try? FileManager.default.removeItem(atPath: scratch)
            try FileManager.default.createDirectory(
                atPath: scratch, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(atPath: scratch) }
            let ledger = try ScratchLedger(of: source, noted: head, in: scratch)
            let index = try TagIndex(readingFrom: ledger.index)
            defer { index.close() }
            return try copy(
                from: FolderSource(source), index, view: ledger.firstView, shouldStop, progress)
        }
    }

    private func copy(
        from source: any RestoreSource, _ index: TagIndex, view: String?,
        _ shouldStop: () -> Bool, _ progress: (RestoreProgress) -> Void
    ) throws -> RestoreReport {
        let start = ContinuousClock.now
        let target = try PlainFolder(folder)
        var report = RestoreReport(directory: folder)
        let images = try images(in: index, view: view)
        var state = RestoreProgress()
        state.totalImages = Int64(images.count)
        state.totalBytes = images.reduce(0) { $0 + $1.details.bytes }
        defer { source.discard() }
        for image in images {
            if shouldStop() { return report }
            let blob = StagedBlob(digest: image.digest, bytes: image.details.bytes)
            if target.holds(image.digest, bytes: blob.bytes, at: image.path) {
                report.present += 1
            } else {
                do {
                    try source.fetch([blob])
                    let file = try source.open(blob)
                    try target.write(
                        file.number, image.digest, bytes: blob.bytes, at: image.path,
                        modified: image.details.received)
                    report.restored += 1
                    report.bytes += blob.bytes
                } catch let error as StorageError where error.code == .noSpace {
                    throw error
                } catch {
                    report.lacking += 1
                    if report.examples.count < RestoreReport.mostExamples {
                        report.examples.append("\(image.path.joined(separator: "/")): \(error)")
                    }
                }
            }
            state.images += 1
            state.bytes += blob.bytes
            progress(state)
        }
        try target.sync()
        report.isComplete = true
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    private func images(in index: TagIndex, view: String?) throws -> [Image] {
        try index.read { reader in
            try reader.seriesNewestFirst(selection).flatMap { series in
                try reader.wantedImages(inSeries: series, lacking: false).compactMap { image in
                    guard let details = try reader.details(image.id),
                        let digest = Digest(bytes: image.sha256)
                    else { return nil }
                    let path =
                        details.paths.first { $0.first == view }?.dropFirst()
                        ?? details.paths.first?[...] ?? ["\(digest.hex).dcm"]
                    return Image(digest: digest, details: details, path: Array(path))
                }
            }
        }
    }
}
