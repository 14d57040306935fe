import Foundation
import Glibc
import Offsite
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
    public var origin: RestoreOrigin
    /// The folder; made when it is not there.
    public var folder: String
    public var selection: RestoreSelection
    /// A head of the ledger that a person has kept: an older ledger is refused.
    public var head: Verification.Head?

    private static let scratchName = ".pacsfs-restore"

    public init(
        from origin: RestoreOrigin, folder: String, selection: RestoreSelection,
        head: Verification.Head? = nil
    ) {
        (self.origin, self.folder) = (origin, folder)
        (self.selection, self.head) = (selection, head)
    }

    private struct Image {
        var digest: Digest
        var details: ImageDetails
        var path: [String]

        var blob: StagedBlob { StagedBlob(digest: digest, bytes: details.bytes) }
    }

    /// How many images are fetched together.
    private static let batch = 64

    /// - Parameters:
    ///   - shouldStop: Asked before each image.
    ///   - preparing: Called while the ledger comes.
    ///   - progress: Called after each image, on the calling thread.
    /// - Throws: ``ArchiveError``: the ledger is damaged or was changed, or the folder cannot be
    ///   written.
    public func run(
        shouldStop: @escaping () -> Bool = { false },
        preparing: (RestorePreparation) -> Void = { _ in }, progress: (RestoreProgress) -> Void
    ) throws(ArchiveError) -> RestoreReport {
        try ArchiveError.from {
            let scratch = "\(folder)/\(Self.scratchName)"
            try? FileManager.default.removeItem(atPath: scratch)
            try FileManager.default.createDirectory(
                atPath: scratch, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(atPath: scratch) }
            let ledger = try ScratchLedger(
                of: origin, noted: head, in: scratch,
                progress: { preparing(.ledger(bytes: $0.bytes, of: $0.totalBytes)) })
            let index = try TagIndex(readingFrom: ledger.index)
            defer { index.close() }
            return try copy(
                from: origin.source(index, scratch: scratch + "/objects"), index,
                view: ledger.firstView, shouldStop, progress)
        }
    }

    private func copy(
        from source: any RestoreSource, _ index: TagIndex, view: String?,
        _ shouldStop: @escaping () -> Bool, _ progress: (RestoreProgress) -> Void
    ) throws -> RestoreReport {
        let start = ContinuousClock.now
        let target = try PlainFolder(folder)
        var report = RestoreReport(directory: folder)
        var state = RestoreProgress()
        let all = try index.read { try $0.seriesNewestFirst(selection) }
        for series in all {
            for image in try index.read({ try $0.wantedImages(inSeries: series, lacking: false) }) {
                state.totalImages += 1
                state.totalBytes += image.bytes
            }
        }
        defer { source.discard() }
        try RestoreRoom.require(state.totalBytes - presentBytes(), in: folder)
        for series in all {
            let images = try images(of: series, in: index, view: view)
            for start in stride(from: 0, to: images.count, by: Self.batch) {
                if shouldStop() { return report }
                let some = images[start..<min(start + Self.batch, images.count)]
                let wanted = some.filter {
                    !target.holds($0.digest, bytes: $0.details.bytes, at: $0.path)
                }
                report.present += Int64(some.count - wanted.count)
                try source.fetch(wanted.map(\.blob), shouldStop: shouldStop)
                try copy(wanted, from: source, to: target, &report, shouldStop)
                state.images += Int64(some.count)
                state.bytes += some.reduce(0) { $0 + $1.details.bytes }
                progress(state)
            }
        }
        try target.sync()
        report.isComplete = true
        report.seconds = (ContinuousClock.now - start) / .seconds(1)
        return report
    }

    private func copy(
        _ images: [Image], from source: any RestoreSource, to target: PlainFolder,
        _ report: inout RestoreReport, _ shouldStop: @escaping () -> Bool
    ) throws {
        var bad: [(image: Image, problem: any Error)] = []
        for image in images {
            if let problem = try copy(image, from: source, to: target, &report) {
                bad.append((image, problem))
            }
        }
        for number in 0..<RemoteVersions.most where !bad.isEmpty && !shouldStop() {
            guard
                try source.fetch(
                    version: number, of: bad.map(\.image.blob), shouldStop: shouldStop)
            else { break }
            let before = bad.count
            try bad.removeAll { try copy($0.image, from: source, to: target, &report) == nil }
            report.olderVersions += Int64(before - bad.count)
        }
        for (image, problem) in bad {
            report.lacking += 1
            if report.examples.count < RestoreReport.mostExamples {
                report.examples.append("\(image.path.joined(separator: "/")): \(problem)")
            }
        }
    }

    /// - Returns: Why it is not there.
    private func copy(
        _ image: Image, from source: any RestoreSource, to target: PlainFolder,
        _ report: inout RestoreReport
    ) throws -> (any Error)? {
        do {
            let file = try source.open(image.blob)
            try target.write(
                file.number, image.digest, bytes: image.blob.bytes, at: image.path,
                modified: image.details.received)
            report.restored += 1
            report.bytes += image.blob.bytes
            return nil
        } catch let error as StorageError where error.code == .noSpace {
            throw error
        } catch {
            return error
        }
    }

    /// Bytes in the folder: of an earlier run, perhaps.
    private func presentBytes() -> Int64 {
        var bytes: Int64 = 0
        for name in FolderStore(folder).names(below: ".")
        where !name.hasPrefix("./\(Self.scratchName)/") {
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0 else { continue }
            if status.st_mode & S_IFMT == S_IFREG { bytes += Int64(status.st_size) }
        }
        return bytes
    }

    private func images(of series: Int64, in index: TagIndex, view: String?) throws -> [Image] {
        try index.read { reader in
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
